/** A message that a handler emits: its parts, its limits and its id. */
import { uuidV5 } from '../event/uuid-v5.ts';
import { RECORD_BYTES_MAX, type TraceContext } from './event-log.ts';
import { partitionOf } from './partition.ts';
import { TRACEPARENT, TRACESTATE } from './trace-context.ts';

/** Number of shards of the outbox. It is fixed: the migration creates a row per shard. */
export const SHARDS = 16;

/** Header of a published message with its id; see messageIdOf. */
export const MESSAGE_ID_HEADER = 'orderonce-message-id';
/** Header of a published message with the id of the event that caused it. */
export const EVENT_ID_HEADER = 'orderonce-event-id';

export type OutboxMessage = {
  /** The topic must exist: publishing does not create it. */
  readonly topic: string;
  /** Messages with the same key are published in order, to the same partition. */
  readonly key: string | Buffer;
  readonly value: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string>>;
};

/** A message as it is written to the outbox. */
export type EmittedMessage = {
  readonly eventId: string;
  readonly handler: string;
  /** Ordinal number of the message among those of this event and handler, from 0. */
  readonly n: number;
  readonly topic: string;
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
};

const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;

/**
 * Adds the trace of the event that a message is about, so that the trace continues at its readers. A
 * handler that sets a trace of its own keeps it.
 */
export function withTrace(message: OutboxMessage, trace: TraceContext | undefined): OutboxMessage {
  const { headers = {} } = message;
  if (trace === undefined || Object.hasOwn(headers, TRACEPARENT)) return message;
  const { traceparent, tracestate } = trace;
  const state = tracestate === null ? {} : { [TRACESTATE]: tracestate };
  const traced = { ...message, headers: { ...headers, [TRACEPARENT]: traceparent, ...state } };
  // A message that just fits must not become unpublishable by what the client of its event sent.
  return whyUnpublishable(traced) === null ? traced : message;
}

/** @returns why no log would ever accept the message, or null. */
export function whyUnpublishable({
  topic,
  key,
  value,
  headers = {},
}: OutboxMessage): string | null {
  if (!TOPIC.test(topic)) return `"${String(topic).slice(0, 50)}" is not a valid topic name`;
  const parts = [key, value ?? '', ...Object.entries(headers).flat()];
  const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  if (bytes > RECORD_BYTES_MAX)
    return `It has ${bytes} bytes, which is over the limit of ${RECORD_BYTES_MAX}`;
  return null;
}

/**
 * The shard of a key, from 0. Each shard is published in order, so if the shard of a key changed
 * while messages wait, those of one key could be published out of order.
 */
export function shardOf(key: Buffer): number {
  return partitionOf(key, SHARDS);
}

/**
 * The id of a message: a UUID version 5 (RFC 9562) of handler and n, with the event id as its
 * namespace. If the same event is handled again, for example after a restore, its messages get the
 * same ids, so a reader that remembers ids applies each message once.
 */
export function messageIdOf({
  eventId,
  handler,
  n,
}: Pick<EmittedMessage, 'eventId' | 'handler' | 'n'>): string {
  return uuidV5(eventId, `${handler}/${n}`);
}
