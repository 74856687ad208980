/** The table outbox: messages of handlers. The relay publishes them, and deletes them later. */
import type { AppendRecord, LogPosition } from '../log/event-log.ts';
import {
  type EmittedMessage,
  EVENT_ID_HEADER,
  MESSAGE_ID_HEADER,
  messageIdOf,
  shardOf,
} from '../log/message.ts';
import { bytesArray, intArray, textArray, uuidArray } from './binary-arrays.ts';
import type { Queryable, Transaction } from './queryable.ts';
import { MILLISECONDS } from './utc.ts';

/**
 * Inserts messages in the given order. Call it after all statements of the handler: the order of
 * outbox ids is then that of the commits for transactions that waited for one another's locks.
 */
export async function insertMessages(
  tx: Transaction,
  messages: readonly EmittedMessage[],
): Promise<void> {
  if (messages.length === 0) return;
  await tx.query(
    `INSERT INTO orderonce.outbox (message_id, shard, topic, key, value, headers, event_id, handler, n)
     SELECT message_id, shard, topic, key, value, headers::jsonb, event_id, handler, n
       FROM unnest($1::uuid[], $2::int[], $3::text[], $4::bytea[], $5::bytea[], $6::text[],
                   $7::uuid[], $8::text[], $9::int[]) WITH ORDINALITY
         AS m (message_id, shard, topic, key, value, headers, event_id, handler, n, place)
      ORDER BY place`,
    [
      uuidArray(messages.map(messageIdOf)),
      intArray(messages.map(({ key }) => shardOf(key))),
      textArray(messages.map(({ topic }) => topic)),
      bytesArray(messages.map(({ key }) => key)),
      bytesArray(messages.map(({ value }) => value)),
      textArray(messages.map(({ headers }) => JSON.stringify(headers))),
      uuidArray(messages.map(({ eventId }) => eventId)),
      textArray(messages.map(({ handler }) => handler)),
      intArray(messages.map(({ n }) => n)),
    ],
  );
}

/** A message that has not been published, as the record to append. */
export type PendingMessage = {
  readonly outboxId: number;
  readonly record: AppendRecord;
};

/** Limit of one read. The message that exceeds it is still included, so that any size is read. */
const BYTES_MAX = 512 * 1024;

/** SQL: topics with unpublished messages. One index lookup per topic, however long its backlog. */
const PENDING_TOPICS = `WITH RECURSIVE pending AS (
    (SELECT topic FROM orderonce.outbox WHERE published_at IS NULL ORDER BY topic LIMIT 1)
    UNION ALL
    SELECT (SELECT topic FROM orderonce.outbox WHERE published_at IS NULL AND topic > pending.topic
             ORDER BY topic LIMIT 1)
      FROM pending WHERE pending.topic IS NOT NULL
  )`;

/** The topics that have unpublished messages. */
export async function findPendingTopics(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ topic: string }>(
    `${PENDING_TOPICS} SELECT topic FROM pending WHERE topic IS NOT NULL`,
  );
  return rows.map(({ topic }) => topic);
}

/**
 * Unpublished messages of a topic, in the shards that `owner` has leased, oldest first. They are
 * selected by the state of each row, not by "id greater than the last one seen", because a
 * transaction that commits late may have a smaller id.
 *
 * @returns at most `limit` messages, and hardly more than BYTES_MAX.
 */
export async function findUnpublished(
  db: Queryable,
  owner: string,
  topic: string,
  limit: number,
): Promise<PendingMessage[]> {
  const { rows } = await db.query(
    `WITH oldest AS (
       SELECT o.outbox_id, o.message_id, o.key, o.value, o.headers, o.event_id,
              octet_length(o.key) + coalesce(octet_length(o.value), 0) AS bytes
         FROM orderonce.outbox o JOIN orderonce.outbox_shards s USING (shard)
        WHERE o.published_at IS NULL AND s.owner = $1 AND s.lease_until > now()
          AND o.topic = $2
        ORDER BY o.outbox_id LIMIT $3
     ), summed AS (SELECT *, sum(bytes) OVER (ORDER BY outbox_id) - bytes AS before FROM oldest)
     SELECT outbox_id, message_id, key, value, headers, event_id FROM summed
      WHERE before < $4 ORDER BY outbox_id`,
    [owner, topic, limit, BYTES_MAX],
  );
  return rows.map(({ outbox_id, key, value, ...row }) => ({
    outboxId: outbox_id,
    record: { key, value, headers: headersOf(row) },
  }));
}

function headersOf(row: { message_id: string; event_id: string; headers: Record<string, string> }) {
  const all = {
    ...row.headers,
    [MESSAGE_ID_HEADER]: row.message_id,
    [EVENT_ID_HEADER]: row.event_id,
  };
  return Object.entries(all).map(
    ([name, value]) => [Buffer.from(name), Buffer.from(value)] as const,
  );
}

/**
 * Marks messages as published, after the log has acknowledged them. That needs no lease: it is true
 * whichever relay published them.
 * @param positions of the messages in the log, in the same order.
 */
export async function markPublished(
  db: Queryable,
  messages: readonly PendingMessage[],
  positions: readonly LogPosition[],
): Promise<void> {
  await db.query(
    `UPDATE orderonce.outbox o SET published_at = now(), published_partition = p.part, published_offset = p.off
       FROM unnest($1::bigint[], $2::int[], $3::bigint[]) AS p (id, part, off)
      WHERE o.outbox_id = p.id AND o.published_at IS NULL`,
    [
      messages.map(({ outboxId }) => outboxId),
      positions.map(({ partition }) => partition),
      positions.map(({ offset }) => offset),
    ],
  );
}

/** Deletes old published messages. @returns how many. Call it again while that equals `limit`. */
export async function deletePublished(
  db: Queryable,
  olderThanHours: number,
  limit: number,
): Promise<number> {
  const { rowCount } = await db.query(
    `DELETE FROM orderonce.outbox WHERE message_id IN (
       SELECT message_id FROM orderonce.outbox
        WHERE published_at < now() - make_interval(hours => $1) ORDER BY published_at LIMIT $2)`,
    [olderThanHours, limit],
  );
  return rowCount ?? 0;
}

/** The backlog of the outbox. */
export type OutboxLag = {
  /** The number of unpublished messages, counted up to PENDING_COUNT_MAX. */
  readonly pending: number;
  /** The age of the oldest one in seconds; 0 if there is none. */
  readonly oldestSeconds: number;
};

const PENDING_COUNT_MAX = 100_000;

export async function readOutboxLag(db: Queryable): Promise<OutboxLag> {
  const { rows } = await db.query<{ pending: number; oldestMs: number }>(
    `${PENDING_TOPICS}
     SELECT (SELECT count(*) FROM (SELECT FROM orderonce.outbox WHERE published_at IS NULL LIMIT $1) p)::int
              AS pending,
            coalesce((SELECT max(${MILLISECONDS('clock_timestamp() - first.created_at')})
                        FROM pending, LATERAL (
                          SELECT created_at FROM orderonce.outbox o
                           WHERE o.published_at IS NULL AND o.topic = pending.topic
                           ORDER BY outbox_id LIMIT 1) first), 0)
              AS "oldestMs"`,
    [PENDING_COUNT_MAX],
  );
  const { pending, oldestMs } = rows[0] as { pending: number; oldestMs: number };
  return { pending, oldestSeconds: oldestMs / 1000 };
}
