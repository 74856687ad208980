/**
 * The errors with which the client rejects. `instanceof` also recognises an error of another copy of
 * this package, which npm may install for a dependency: it looks for a brand, not for the class.
 */
import type { SentEvent } from './payload.ts';

/** What every error of the client tells about the request that failed. */
export type Failure = {
  /** The events that were to be sent, each with its event_id. Empty for status(). */
  readonly events: readonly SentEvent[];
  /** How many requests were started. */
  readonly attempts: number;
  /** The HTTP status of the last answer; null if there was none. */
  readonly status: number | null;
  /** The `detail` of the last answer: the API's explanation. Null if there was none. */
  readonly detail?: unknown;
  /**
   * Whether the log may hold one of the events in spite of this error. False means that it is certain
   * that none was appended.
   */
  readonly mayHaveBeenAccepted: boolean;
  readonly cause?: unknown;
};

const brandOf = (name: string) => Symbol.for(`orderonce.client.${name}`);

/** The base of all errors below. */
export class ClientError extends Error {
  static readonly brand: string = 'ClientError';
  readonly events: readonly SentEvent[];
  readonly attempts: number;
  readonly status: number | null;
  readonly detail: unknown;
  readonly mayHaveBeenAccepted: boolean;

  constructor(message: string, failure: Failure) {
    super(message, failure.cause === undefined ? {} : { cause: failure.cause });
    const { brand } = new.target;
    this.name = brand;
    for (const name of ['ClientError', brand]) {
      // Not enumerable, so that a printed error does not show its brands.
      Object.defineProperty(this, brandOf(name), { value: true });
    }
    this.events = failure.events;
    this.attempts = failure.attempts;
    this.status = failure.status;
    this.detail = failure.detail ?? null;
    this.mayHaveBeenAccepted = failure.mayHaveBeenAccepted;
  }

  /** The event that send() was to send; for sendMany() the first one that has no verdict. */
  get event(): SentEvent | null {
    return this.events[0] ?? null;
  }

  // Each class below inherits this function, so `this` is the class that the caller asked for.
  static override [Symbol.hasInstance](this: typeof ClientError, value: unknown): boolean {
    // biome-ignore-start lint/complexity/noThisInStatic: see above
    // A class that extends one of these has no brand of its own, so its instances are found by class.
    if (!Object.hasOwn(this, 'brand')) {
      return Function.prototype[Symbol.hasInstance].call(this, value);
    }
    return typeof value === 'object' && value !== null && brandOf(this.brand) in value;
    // biome-ignore-end lint/complexity/noThisInStatic: see above
  }
}

/**
 * The API refuses this event and would refuse it each time (422, 413, 400, 415). `detail` says why.
 * Correct the event; do not send it again unchanged.
 */
export class Rejected extends ClientError {
  static override readonly brand: string = 'Rejected';
}

/** The API key is missing or unknown (401), or may not do this (403). */
export class Unauthorized extends ClientError {
  static override readonly brand: string = 'Unauthorized';
}

/**
 * The client gave up: the deadline passed, the signal aborted, or what answered was not the API. The
 * event may or may not be in the log. Send `event` again, now or later: it has its event_id, so it
 * takes effect once.
 */
export class Unknown extends ClientError {
  static override readonly brand: string = 'Unknown';
}

/** status() got no usable answer before its deadline. Asking again is safe. */
export class Unavailable extends ClientError {
  static override readonly brand: string = 'Unavailable';
}
