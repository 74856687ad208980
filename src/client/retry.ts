/** What an answer means, and when to send again. Pure: no clock, no network. */

/** How the waits between attempts grow, in ms. */
export type Backoff = { readonly firstMs: number; readonly mostMs: number };

export const BACKOFF: Backoff = { firstMs: 100, mostMs: 5000 };

/**
 * What the HTTP status of an answer to a POST means. `retry`: send the same bytes again. `foreign`:
 * this is no answer that the API gives, such as a 404 or a redirect, so the URL is probably wrong.
 */
export type Meaning = 'accepted' | 'rejected' | 'unauthorized' | 'retry' | 'foreign';

const REJECTED = [400, 413, 415, 422];
/** Of the 4xx answers, only these may go away: Request Timeout, Too Early, Too Many Requests. */
const PASSING = [408, 425, 429];

export function meaningOf(status: number): Meaning {
  if (status === 202) return 'accepted';
  if (status >= 500 || PASSING.includes(status)) return 'retry';
  if (REJECTED.includes(status)) return 'rejected';
  return status === 401 || status === 403 ? 'unauthorized' : 'foreign';
}

/**
 * Whether an answer proves that nothing of its request was appended. A 503 does so only if the API
 * itself sent it: a proxy also answers 503 when it loses the connection behind it.
 */
export function isUntouched(status: number, isOfApi: boolean): boolean {
  const meaning = meaningOf(status);
  if (meaning === 'rejected' || meaning === 'unauthorized' || status === 429) return true;
  return status === 503 && isOfApi;
}

/**
 * Reads Retry-After (RFC 9110, section 10.2.3): seconds, or an HTTP date.
 * @param nowMs milliseconds since 1970.
 * @returns the time to wait in ms, or null if there is none or it cannot be read.
 */
export function retryAfterMs(header: string | null, nowMs: number): number | null {
  const text = header?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Date.parse also reads texts that are no HTTP date, such as "-5".
  const date = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

/**
 * An attempt with less time cannot get an answer. It would only put its own time-out in the place of
 * the reason why the attempts before it failed.
 */
export const ATTEMPT_MIN_MS = 20;

/** @property failures the number of failed attempts in a row, from 1. @property leftMs until the deadline. */
export type RetryState = {
  readonly failures: number;
  readonly leftMs: number;
  readonly retryAfterMs: number | null;
};

/**
 * The time to wait before the next attempt, in ms: random between 0 and a limit that doubles with
 * each failure ("full jitter"), so that many clients do not retry at the same moment. With
 * Retry-After the client waits at least as long as that says.
 * @returns null to give up, because the deadline would leave an attempt less than ATTEMPT_MIN_MS.
 */
export function waitMs(
  { failures, leftMs, retryAfterMs: asked }: RetryState,
  { firstMs, mostMs }: Backoff = BACKOFF,
  random: () => number = Math.random,
): number | null {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
  const jitter = random() * ceiling;
  const wait = asked === null ? jitter : asked + Math.min(jitter, firstMs);
  return wait + ATTEMPT_MIN_MS <= leftMs ? wait : null;
}
