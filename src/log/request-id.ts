/**
 * The id of the request that brought a record, in a header of the record. It is what tells a
 * resend by a client from a record that was written twice, and one process from another.
 *
 * A UUID version 7 (RFC 9562): milliseconds since 1970, a counter, and random bits that are drawn
 * once per process, so that the last 17 characters name the process.
 */
import { randomBytes } from 'node:crypto';
import type { Header } from './event-log.ts';

export const REQUEST_ID_HEADER = 'orderonce-request-id';

const NAME = Buffer.from(REQUEST_ID_HEADER);
const VERSION_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const COUNTER_MAX = 0xfff;
const PROCESS_AT = 19;

/** Makes ids; one for each process. */
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

  /** Unique in this process; grows, also when the clock is set back. */
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

/** null where the record has none that we made: any client may write any header. */
export function requestIdIn(headers: readonly Header[]): string | null {
  for (const [name, value] of headers) {
    if (name === null || value === null || !name.equals(NAME)) continue;
    const id = value.toString('latin1');
    return VERSION_7.test(id) ? id : null;
  }
  return null;
}

/** When the request came, in ms since 1970. */
export function requestMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

export function isOfSameProcess(one: string, other: string): boolean {
  return one.slice(PROCESS_AT) === other.slice(PROCESS_AT);
}
