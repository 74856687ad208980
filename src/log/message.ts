/** A message that a handler emits: what it is made of, and how it is named. Pure. */
import { createHash } from 'node:crypto';
import { RECORD_BYTES_MAX } from './event-log.ts';
import { partitionOf } from './partition.ts';

/** Shares of the keys; fixed, since the rows of outbox_shards are made by the migration. */
export const SHARDS = 16;

export const MESSAGE_ID_HEADER = 'orderonce-message-id';
export const EVENT_ID_HEADER = 'orderonce-event-id';

export type OutboxMessage = {
  /** It must exist: topics are not made by sending to them. */
  readonly topic: string;
  /** Messages of one key are published in order, and lie in one partition. */
  readonly key: string | Buffer;
  readonly value: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string>>;
};

/** A message on its way into the outbox. */
export type EmittedMessage = {
  readonly eventId: string;
  readonly handler: string;
  /** Counts the messages of one event and handler, from 0. */
  readonly n: number;
  readonly topic: string;
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
};

const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;

/** @returns why it can never be published, or null. */
export function whyUnpublishable({
  topic,
  key,
  value,
  headers = {},
}: OutboxMessage): string | null {
  if (!TOPIC.test(topic)) return `"${String(topic).slice(0, 50)}" is no name of a topic`;
  const parts = [key, value ?? '', ...Object.entries(headers).flat()];
  const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  if (bytes > RECORD_BYTES_MAX)
    return `It has ${bytes} bytes; at most ${RECORD_BYTES_MAX} are taken`;
  return null;
}

export function shardOf(key: Buffer): number {
  return partitionOf(key, SHARDS);
}

/**
 * The message's id: a UUID version 5 (RFC 9562) of handler and n, in the namespace of the event's
 * id. The same event handled again, as after a restore, gives the same ids: a reader that keeps
 * them takes each message once.
 */
export function messageIdOf({ eventId, handler, n }: EmittedMessage): string {
  const namespace = Buffer.from(eventId.replaceAll('-', ''), 'hex');
  const bytes = createHash('sha1').update(namespace).update(`${handler}/${n}`).digest();
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex', 0, 16);
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(ends[i - 1] ?? 0, end)).join('-');
}
