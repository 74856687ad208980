/** One request of `orderonce send`: lines to POST /events/batch, and what the API says of them. */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { BodyLine } from '../ingest/body-lines.ts';

/** Where to send, and what every request carries. */
export type IngestApi = {
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
};

/** The API's verdict on one line. */
export type Result = {
  readonly index: number;
  readonly status: 'accepted' | 'rejected' | 'unknown' | 'refused';
  readonly event_id?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly detail?: unknown;
};

/** @property trouble why there are no results, where the same request may succeed later. */
export type Answer = { readonly results: readonly Result[]; readonly trouble: string | null };

const LINE_FEED = Buffer.from('\n');
/** Timed out, or too many requests: the only refusals that pass. */
const PASSING = [408, 429];

/** @throws API_REFUSES where the same request would be refused each time. */
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
  const why = results === undefined ? (detail ?? text.slice(0, 200)) : 'verdicts for other lines';
  const trouble = `The API answers ${status}: ${why}`;
  const isFinal = results !== undefined || (status < 500 && !PASSING.includes(status));
  if (isFinal) throw new OrderonceError('API_REFUSES', trouble);
  return { results: [], trouble };
}

/** Something else may answer in the API's place, such as a proxy: then there is neither. */
function read(text: string): { results?: Result[]; detail?: string } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
