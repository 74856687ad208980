/** `orderonce find ID`: what an id or a place is, and what became of it. */
import { OrderonceError } from '../errors.ts';
import { type Call, EXIT } from './command.ts';
import { ConsumerApi } from './consumer-api.ts';
import { plain } from './output.ts';
import { tableOf } from './table.ts';

type Item = {
  readonly kind: string;
  readonly id: string;
  readonly state: string | null;
  readonly text: string;
  readonly api: string;
};
type Found = { readonly q: string; readonly items: readonly Item[]; readonly hint: string | null };
type Entry = {
  readonly at: string | null;
  readonly what: string;
  readonly text: string;
  /** Null for keys that may not see payloads. */
  readonly detail: { readonly message?: string | null } | null;
};

/**
 * Prints what has this id or is at this place. If that is one event, it prints its history too.
 * @returns exit code 0. @throws NOTHING_MATCHES (exit code 4), CONSUMER_UNREACHABLE
 */
export async function runFind({ settings, flags, words, out }: Call): Promise<number> {
  const [q = ''] = words;
  const api = new ConsumerApi(settings, flags.url);
  const found = await api.get<Found>(`/find?${new URLSearchParams({ q })}`);
  if (found.items.length === 0) {
    throw new OrderonceError('NOTHING_MATCHES', found.hint ?? `Nothing has the id "${q}"`);
  }
  const lines = found.items.map(
    ({ text, api: path }) => `${plain(text)}\n    ${api.baseUrl}${path}`,
  );
  const events = found.items.filter(({ kind }) => kind === 'event');
  const [event] = events;
  if (!out.isJson && events.length === 1 && event !== undefined) {
    const { entries } = await api.get<{ entries: readonly Entry[] }>(event.api);
    const rows = entries.map(({ at, what, text, detail }) => {
      const message = detail?.message ?? null;
      return [at ?? '', what, plain(message === null ? text : `${text}: ${message}`)];
    });
    lines.push('', tableOf(['at', 'what', ''], rows));
  }
  out.data(lines.join('\n'), found);
  return EXIT.ok;
}
