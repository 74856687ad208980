/** `orderonce status`: what needs somebody now, as a consumer sees it. */
import type { Overview } from '../admin/overview-feed.ts';
import { type Call, EXIT } from './command.ts';
import { ConsumerApi } from './consumer-api.ts';
import { overviewText } from './overview-text.ts';

/** A consumer answers within 3 s, also while PostgreSQL is frozen. */
const OVERVIEW_MS = 8000;

/**
 * @returns the exit code: 0 if nothing needs anybody, else 1.
 * @throws CONSUMER_UNREACHABLE (exit code 3)
 */
export async function runStatus({ settings, flags, out }: Call): Promise<number> {
  const overview = await readOverview(new ConsumerApi(settings, flags.url));
  out.data(overviewText(overview, out, Date.now()), overview);
  return overview.verdict === 'fine' ? EXIT.ok : EXIT.failed;
}

/** @throws CONSUMER_UNREACHABLE, SETTING_INVALID */
export async function readOverview(api: ConsumerApi): Promise<Overview> {
  return await api.get<Overview>('/overview', OVERVIEW_MS);
}
