/** One request of `orderonce send`: it posts lines to POST /events/batch and reads the verdicts. */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { BodyLine } from '../ingest/body-lines.ts';

/** The ingest API, and the headers of every request to it. */
export type IngestApi = {
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
};

/** The verdict on one line, as the API gives it. `detail` says why it was not accepted. */
export type Result = {
  readonly index: number;
  readonly status: 'accepted' | 'rejected' | 'unknown' | 'refused';
  readonly event_id?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly detail?: unknown;
};

/** @property trouble why there are no results; the same request may succeed later. */
export type Answer = { readonly results: readonly Result[]; readonly trouble: string | null };

const LINE_FEED = Buffer.from('\n');
/** 408 Request Timeout and 429 Too Many Requests: of the 4xx answers, only these may go away. */
const PASSING = [408, 429];

/**
 * Posts these lines in one request. The bytes are sent unchanged.
 * @throws API_REFUSES if the same request would be refused each time.
 */
export async function postLines(
  { baseUrl, headers }: IngestApi,
  lines: readonly BodyLine[],
): Promise<Answer> {
  const body = Buffer.concat(lines.flatMap(({ bytes }) => [bytes, LINE_FEED]));
  let status: number;
  let text: string;
  try {
    const answer = await fetch(`${baseUrl}/events/batch`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      body,
    });
    status = answer.status;
    text = await answer.text();
  } catch (error) {
    const { cause } = error as { cause?: { message?: string } };
    const trouble = `No answer at ${baseUrl}: ${cause?.message || reasonOf(error)}`;
    return { results: [], trouble };
  }
  const { results, detail } = read(text);
  if (results?.length === lines.length) return { results, trouble: null };
  const why =
    results === undefined
      ? (detail ?? text.slice(0, 200))
      : `${results.length} verdicts for ${lines.length} lines`;
  const trouble = `The API at ${baseUrl} answered ${status}: ${why}`;
  const isFinal = results !== undefined || (status < 500 && !PASSING.includes(status));
  if (isFinal) throw new OrderonceError('API_REFUSES', trouble);
  return { results: [], trouble };
}

/** Something else than the API may answer, such as a proxy. Then there is neither field. */
function read(text: string): { results?: Result[]; detail?: string } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
