/**
 * The client of the ingest API. It uses fetch and Web Crypto alone, so it runs on Node 20 or later,
 * Deno, Bun and in browsers. docs/sending-events.md explains it.
 */
import type { Verdict } from './batch.ts';
import type { Declaration, EventOf, NewEvent, Sent, Undeclared } from './payload.ts';
import { BACKOFF, type Backoff } from './retry.ts';
import { type Receipt, type SendOptions, send } from './send.ts';
import { sendMany } from './send-many.ts';
import { type EventStatus, type StatusOptions, status } from './status.ts';
import type { SendManyOptions } from './stream.ts';
import type { Transport } from './transport.ts';

export type { Verdict } from './batch.ts';
export { ClientError, Rejected, Unauthorized, Unavailable, Unknown } from './errors.ts';
export type { Declaration, EventOf, NewEvent, SentEvent, Undeclared } from './payload.ts';
export type { Receipt, SendOptions } from './send.ts';
export type { EventStatus, StatusOptions } from './status.ts';
export type { SendManyOptions } from './stream.ts';
export { newEventId } from './uuid-v7.ts';

export type ClientOptions = {
  /** Base URL of the ingest API, such as http://localhost:8000. */
  readonly url: string | URL;
  /** A key with the role "ingest", if the API has keys. */
  readonly apiKey?: string;
  /** Base URL of the consumer, which answers status(). Default: `url`, which redirects to it. */
  readonly statusUrl?: string | URL;
  /** A key with the role "read" or "admin", for status(). Default: `apiKey`. */
  readonly statusApiKey?: string;
  /** Replaces the global fetch, for example to use a proxy or a client certificate. */
  readonly fetch?: typeof fetch;
  /** How long an event is tried, in ms. Default: 30,000. */
  readonly deadlineMs?: number;
  /**
   * How long one request may take, in ms. Default: 10,000. It must be longer than the API's
   * DELIVERY_DEADLINE_MS (default 5,000), or events that the API still appends are sent again.
   */
  readonly attemptTimeoutMs?: number;
  /** The first and the longest wait between attempts, in ms. Default: 100 and 5,000. */
  readonly backoff?: Backoff;
};

/**
 * A client. It keeps no state between calls and needs no closing.
 * @typeParam Event what may be sent.
 */
export type Client<Event = NewEvent> = {
  /**
   * Sends one event. The payload is serialised before the first attempt, so every attempt sends the
   * same bytes. Without an event_id, it gets a new one (UUID version 7).
   * @returns the receipt, once the log has acknowledged the event.
   * @throws Rejected, Unauthorized, Unknown; TypeError if JSON cannot represent the event.
   */
  readonly send: (event: Event | Sent, options?: SendOptions) => Promise<Receipt>;
  /**
   * Sends the events of an iterable in batches. It reads at most two batches ahead, and sends only
   * while the caller asks for verdicts. Each order's events are accepted in the given sequence.
   * @returns one verdict for each event, in the given sequence.
   * @throws Unknown, Unauthorized when it gives up; what the iterable throws.
   */
  readonly sendMany: (
    events: Iterable<Event | Sent> | AsyncIterable<Event | Sent>,
    options?: SendManyOptions,
  ) => AsyncGenerator<Verdict<Event>, void, undefined>;
  /**
   * @returns what has become of an event; null if it has not been processed.
   * @param eventId as it was sent, or the stored id.
   * @throws Rejected if the API takes no such id; Unauthorized; Unavailable.
   */
  readonly status: (eventId: string, options?: StatusOptions) => Promise<EventStatus | null>;
};

/**
 * @typeParam D the declaration of the events, as in `createClient<typeof events>({ url })`. The events
 * that the client sends are then typed by it. Default: events without a type.
 * @throws TypeError if the URL or a key cannot be used.
 */
export function createClient<D extends Declaration = Undeclared>(
  options: ClientOptions,
): Client<EventOf<D>> {
  const { url, apiKey, statusUrl = url, statusApiKey = apiKey } = options;
  // Called without `this`: browsers refuse fetch as a method of another object.
  const fetchGiven = options.fetch;
  const shared = {
    fetch: fetchGiven ?? ((input, init) => fetch(input, init)),
    deadlineMs: options.deadlineMs ?? 30_000,
    attemptTimeoutMs: options.attemptTimeoutMs ?? 10_000,
    backoff: options.backoff ?? BACKOFF,
  } satisfies Partial<Transport>;
  const ingest: Transport = { ...shared, url: baseOf(url), headers: headersOf(apiKey) };
  const reads: Transport = { ...shared, url: baseOf(statusUrl), headers: headersOf(statusApiKey) };
  return {
    send: (event, sendOptions) => send(ingest, event as object, sendOptions),
    sendMany: (events, sendOptions) =>
      sendMany(ingest, events as Iterable<object>, sendOptions) as AsyncGenerator<
        Verdict<EventOf<D>>
      >,
    status: (eventId, statusOptions) => status(reads, eventId, statusOptions),
  };
}

/** Checked here, because fetch would report a URL that it cannot use like a broken connection. */
function baseOf(given: string | URL): string {
  const { protocol, username, password, origin, pathname } = new URL(given);
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new TypeError(`The URL must begin with http:// or https://, not ${protocol}`);
  }
  if (username !== '' || password !== '') {
    throw new TypeError('The URL must not have a user or a password. Use apiKey');
  }
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

function headersOf(key: string | undefined): Record<string, string> {
  if (key === undefined) return {};
  const authorization = `Bearer ${key}`;
  try {
    new Headers({ authorization });
  } catch {
    throw new TypeError('The API key has characters that no HTTP header can have');
  }
  return { authorization };
}
