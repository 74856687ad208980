/**
 * The id of the HTTP request that brought a record, stored in a header of the record. It shows
 * whether a duplicate was sent again by a client or written twice to the log, and by which process.
 *
 * It is a UUID version 7 (RFC 9562): milliseconds since 1970, a counter, and random bits that are
 * drawn once per process, so the last 17 characters identify the process.
 */
import { randomBytes } from 'node:crypto';
import type { Header } from './event-log.ts';

export const REQUEST_ID_HEADER = 'orderonce-request-id';

const NAME = Buffer.from(REQUEST_ID_HEADER);
const VERSION_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const COUNTER_MAX = 0xfff;
const PROCESS_AT = 19;
const DIGIT_0 = '0'.charCodeAt(0);
const LETTER_A = 'a'.charCodeAt(0);

/** Generates request ids. Each process must have exactly one instance. */
export class RequestIds {
  readonly #process: string;
  readonly #now: () => number;
  #ms = 0;
  #time = '';
  #counter = 0;

  constructor(now: () => number = Date.now) {
    const random = randomBytes(8).toString('hex');
    this.#process = `8${random.slice(1, 4)}-${random.slice(4)}`;
    this.#now = now;
  }

  /** Unique within the process, and larger than every id before, even if the clock is set back. */
  next(): string {
    const now = this.#now();
    if (now > this.#ms) this.#startAt(now);
    else if (++this.#counter > COUNTER_MAX) this.#startAt(this.#ms + 1);
    return `${this.#time}-7${this.#counter.toString(16).padStart(3, '0')}-${this.#process}`;
  }

  #startAt(ms: number): void {
    this.#ms = ms;
    this.#counter = 0;
    const hex = ms.toString(16).padStart(12, '0');
    this.#time = `${hex.slice(0, 8)}-${hex.slice(8)}`;
  }
}

export function requestIdHeader(id: string): Header {
  return [NAME, Buffer.from(id)];
}

/** @returns null if there is no valid id. Any client may write any header, so it is checked. */
export function requestIdIn(headers: readonly Header[]): string | null {
  for (const [name, value] of headers) {
    if (name === null || value === null || !name.equals(NAME)) continue;
    const id = value.toString('latin1');
    return VERSION_7.test(id) ? id : null;
  }
  return null;
}

/** Whether an id is of the form that RequestIds generates, which holds a time. */
export function isTimedRequestId(id: string): boolean {
  return VERSION_7.test(id);
}

/**
 * When the request arrived, in ms since 1970. Metrics ask for each stored event, so no text is cut
 * out; `id` must be one that requestIdIn() returns.
 */
export function requestMs(id: string): number {
  let ms = 0;
  for (let at = 0; at < 13; at++) {
    if (at === 8) continue;
    const code = id.charCodeAt(at);
    ms = ms * 16 + (code < LETTER_A ? code - DIGIT_0 : code - LETTER_A + 10);
  }
  return ms;
}

/** Whether the same process generated both ids. */
export function isOfSameProcess(one: string, other: string): boolean {
  return one.slice(PROCESS_AT) === other.slice(PROCESS_AT);
}
