/** Requests to the API of this service. The key is sent as a header only. */
import { detailText } from './format.js';
import { apiKey } from './preferences.js';

const GET_MS = 8000;
/** A plan tries up to 20 dead letters; a redrive may process a whole queue. */
const POST_MS = 60_000;

/** How far the clock of the server is ahead of this one, in ms. */
let aheadMs = 0;

/** The clock of the server, in ms since 1970. */
export function serverNow() {
  return Date.now() + aheadMs;
}

/** An answer that is no success, or none at all (status 0). */
export class ApiError extends Error {
  constructor(status, body) {
    super(detailText(body?.detail) || `Answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** Called when a key is missing, or is not known. main.js sets it. */
export const onKeyNeeded = { call: () => {} };

/** Adds the API key. */
export function headersWithKey(headers = {}) {
  const key = apiKey();
  return key === null ? headers : { ...headers, Authorization: `Bearer ${key}` };
}

/** @throws ApiError */
export async function get(path, signal) {
  return await ask(path, { headers: headersWithKey() }, GET_MS, signal);
}

/**
 * Sends a change.
 * @param body a text is sent as it is, because numbers of an event must keep their digits.
 * @param actor the name for the audit.
 * @throws ApiError
 */
export async function post(path, body, actor, signal) {
  const headers = { 'Content-Type': 'application/json' };
  if (actor !== null) headers['Orderonce-Actor'] = encodeURIComponent(actor);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const request = { method: 'POST', headers: headersWithKey(headers), body: text };
  return await ask(path, request, POST_MS, signal);
}

async function ask(path, request, timeoutMs, signal) {
  const late = AbortSignal.timeout(timeoutMs);
  const either = signal === undefined ? late : AbortSignal.any([signal, late]);
  let answer;
  let body;
  try {
    answer = await fetch(path, { ...request, signal: either });
    body = await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (late.aborted) throw new ApiError(0, { detail: `No answer within ${timeoutMs / 1000} s` });
    throw new ApiError(answer?.status ?? 0, { detail: 'The service does not answer' });
  }
  // The header has whole seconds, so the middle of one is meant.
  const date = Date.parse(answer.headers.get('Date') ?? '');
  if (!Number.isNaN(date)) aheadMs = date + 500 - Date.now();
  if (answer.ok) return body;
  if (answer.status === 401) onKeyNeeded.call();
  throw new ApiError(answer.status, body);
}
