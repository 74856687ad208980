/**
 * The queries of `verify`. Each returns the contradictions that it finds, so a result without rows
 * is the proof. All of them run in one REPEATABLE READ transaction, so consumers that work at the
 * same time do not affect the result.
 */
import { envelopeDigest, IS_DATA_OF } from './event-columns.ts';
import type { Transaction } from './queryable.ts';
import type { Question } from './questions.ts';

/** The most rows that one query returns, so that a damaged table cannot fill the memory. */
export const FINDINGS_MAX = 1000;

/** All rows that account for offsets, as half-open ranges of offsets. */
const RANGES = `
  SELECT log_id, log_partition, log_offset AS from_offset, log_offset + 1 AS to_offset FROM orderonce.processed_events
  UNION ALL SELECT log_id, log_partition, log_offset, log_offset + 1 FROM orderonce.duplicates
  UNION ALL SELECT log_id, log_partition, log_offset, log_offset + 1 FROM orderonce.conflicts
  UNION ALL SELECT log_id, log_partition, log_offset, log_offset + 1 FROM orderonce.dead_letters
  UNION ALL SELECT log_id, log_partition, from_offset, to_offset FROM orderonce.log_gaps`;

/** The current positions, and the closed ones. */
const POSITIONS = `
  SELECT topic, log_id, log_partition, start_offset, next_offset, false AS closed FROM orderonce.consumer_positions
  UNION ALL SELECT topic, log_id, log_partition, start_offset, next_offset, true FROM orderonce.closed_positions`;

/** A contradiction about the offsets [from, to) of a partition; see `findOffsetFindings`. */
export type OffsetFinding = {
  readonly kind: 'hole' | 'overlap' | 'ahead' | 'unowned';
  readonly logId: number;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
};

/**
 * Finds offsets between a partition's start and its position that have no outcome (`hole`) or more
 * than one (`overlap`), outcomes at or past the position (`ahead`), and outcomes in a partition
 * that has no position (`unowned`).
 */
export async function findOffsetFindings(tx: Transaction): Promise<OffsetFinding[]> {
  const { rows } = await tx.query<OffsetFinding>(
    `WITH positions AS (${POSITIONS}), ranges AS (
       SELECT r.*, p.start_offset, p.next_offset,
              lag(r.to_offset, 1, p.start_offset) OVER w AS before
         FROM (${RANGES}) r JOIN positions p USING (log_id, log_partition)
       WINDOW w AS (PARTITION BY r.log_id, r.log_partition ORDER BY r.from_offset, r.to_offset)
     ), ends AS (
       SELECT p.log_id, p.log_partition, p.next_offset,
              coalesce(max(r.to_offset), p.start_offset) AS last
         FROM positions p LEFT JOIN ranges r USING (log_id, log_partition)
        GROUP BY p.log_id, p.log_partition, p.next_offset, p.start_offset
     )
     SELECT kind, log_id AS "logId", log_partition AS partition, a AS "from", b AS "to" FROM (
       SELECT 'hole' AS kind, log_id, log_partition, before AS a, from_offset AS b
         FROM ranges WHERE from_offset > before
       UNION ALL
       SELECT 'overlap', log_id, log_partition, from_offset, least(before, to_offset)
         FROM ranges WHERE from_offset < before
       UNION ALL
       SELECT 'ahead', log_id, log_partition, greatest(from_offset, next_offset), to_offset
         FROM ranges WHERE to_offset > next_offset
       UNION ALL
       SELECT 'hole', log_id, log_partition, last, next_offset FROM ends WHERE last < next_offset
       UNION ALL
       SELECT 'unowned', log_id, log_partition, min(r.from_offset), max(r.to_offset)
         FROM (${RANGES}) r
        WHERE NOT EXISTS (SELECT FROM positions p WHERE p.log_id = r.log_id
                            AND p.log_partition = r.log_partition)
        GROUP BY log_id, log_partition
     ) findings ORDER BY 2, 3, 4 LIMIT ${FINDINGS_MAX}`,
  );
  return rows;
}

/** How many records of a partition have each outcome, between its start and its position. */
export type PartitionAccount = {
  readonly topic: string;
  readonly logId: number;
  readonly partition: number;
  readonly start: number;
  readonly position: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly parked: number;
  readonly waiting: number;
  readonly discarded: number;
  /** Offsets that hold no record. */
  readonly withoutRecord: number;
  /** The partition belongs to a log that no longer exists or was cut; its account is closed. */
  readonly closed: boolean;
};

/** The accounts of all partitions, in the order of topic, log and partition. */
export async function readAccounts(tx: Transaction): Promise<PartitionAccount[]> {
  const { rows } = await tx.query<PartitionAccount>(
    `WITH counts AS (
       SELECT log_id, log_partition, kind, sum(n)::bigint AS n FROM (
         SELECT log_id, log_partition, 'stored' AS kind, count(*) AS n FROM orderonce.processed_events GROUP BY 1, 2
         UNION ALL SELECT log_id, log_partition, 'duplicate', count(*) FROM orderonce.duplicates GROUP BY 1, 2
         UNION ALL SELECT log_id, log_partition, 'conflict', count(*) FROM orderonce.conflicts GROUP BY 1, 2
         UNION ALL SELECT log_id, log_partition, state, count(*) FROM orderonce.dead_letters GROUP BY 1, 2, 3
         UNION ALL SELECT log_id, log_partition, 'gap', sum(to_offset - from_offset)::bigint
                     FROM orderonce.log_gaps GROUP BY 1, 2
       ) each GROUP BY 1, 2, 3
     )
     SELECT p.topic, p.log_id AS "logId", p.log_partition AS partition, p.start_offset AS start,
            p.next_offset AS position,
            coalesce(sum(n) FILTER (WHERE kind = 'stored'), 0)::bigint AS stored,
            coalesce(sum(n) FILTER (WHERE kind = 'duplicate'), 0)::bigint AS duplicates,
            coalesce(sum(n) FILTER (WHERE kind = 'conflict'), 0)::bigint AS conflicts,
            coalesce(sum(n) FILTER (WHERE kind = 'parked'), 0)::bigint AS parked,
            coalesce(sum(n) FILTER (WHERE kind = 'waiting'), 0)::bigint AS waiting,
            coalesce(sum(n) FILTER (WHERE kind = 'discarded'), 0)::bigint AS discarded,
            coalesce(sum(n) FILTER (WHERE kind = 'gap'), 0)::bigint AS "withoutRecord",
            p.closed
       FROM (${POSITIONS}) p LEFT JOIN counts c USING (log_id, log_partition)
      GROUP BY p.topic, p.log_id, p.log_partition, p.start_offset, p.next_offset, p.closed
      ORDER BY p.topic, p.log_id, p.log_partition`,
  );
  return rows;
}

/** A contradiction about rows; `kind` is that of the question. */
export type RowFinding = { readonly kind: string; readonly id: string; readonly message: string };

/** What `verify` asks in every deployment. Projections have further questions. */
export const QUESTIONS: readonly Question[] = [
  {
    kind: 'altered',
    // An edited row has the values of the edit, but keeps the digest of the record.
    sql: `SELECT p.event_id AS id, 'the row does not have its digest' AS message
            FROM orderonce.processed_events p LEFT JOIN (
              SELECT DISTINCT ON (event_id) event_id, edited_digest FROM orderonce.dead_letter_audit
               WHERE action = 'edit' AND outcome = 'stored'
               ORDER BY event_id, audit_id DESC) e USING (event_id)
           WHERE ${envelopeDigest('p')} <> coalesce(e.edited_digest, p.digest)
             AND NOT EXISTS (SELECT FROM orderonce.event_data d
                              WHERE ${IS_DATA_OF('p')})`,
  },
  {
    kind: 'orphan',
    sql: `SELECT r.event_id AS id, r.what || ' of an event id that is not taken' AS message
            FROM (SELECT event_id, 'duplicate' AS what FROM orderonce.duplicates
                  UNION ALL SELECT event_id, 'conflict' FROM orderonce.conflicts) r
           WHERE NOT EXISTS (SELECT FROM orderonce.processed_events p WHERE p.event_id = r.event_id)
             AND NOT EXISTS (SELECT FROM orderonce.dead_letter_claims d
                              WHERE d.event_id = r.event_id)`,
  },
  {
    kind: 'orphan',
    sql: `SELECT message_id AS id, 'outbox message of an event that is not stored' AS message
            FROM orderonce.outbox o
           WHERE NOT EXISTS (SELECT FROM orderonce.processed_events p WHERE p.event_id = o.event_id)`,
  },
  {
    kind: 'orphan',
    sql: `SELECT d.log_id || '/' || d.log_partition || '/' || d.log_offset AS id,
                 'data of an event that is not stored' AS message
            FROM orderonce.event_data d
           WHERE NOT EXISTS (SELECT FROM orderonce.processed_events p
                              WHERE ${IS_DATA_OF('p')})`,
  },
  {
    kind: 'unexplained',
    sql: `SELECT event_id AS id, 'is discarded, but the audit does not say by whom' AS message
            FROM orderonce.dead_letters d
           WHERE state = 'discarded' AND NOT EXISTS (
             SELECT FROM orderonce.dead_letter_audit a
              WHERE a.action = 'discard' AND (a.log_id, a.log_partition, a.log_offset)
                    = (d.log_id, d.log_partition, d.log_offset))
          UNION ALL
          SELECT event_id, 'is a conflict with its own payload' FROM orderonce.conflicts
           WHERE digest = first_digest`,
  },
  {
    kind: 'claimed twice',
    sql: `SELECT event_id AS id, 'both stored and a dead letter' AS message
            FROM orderonce.dead_letter_claims d JOIN orderonce.processed_events p USING (event_id)`,
  },
  {
    kind: 'held order',
    sql: `SELECT coalesce(h.order_id, d.order_id) AS id,
                 CASE WHEN d.order_id IS NULL THEN 'is held, but has no parked event'
                      ELSE 'has parked events, but is not held' END AS message
            FROM orderonce.held_orders h FULL JOIN (
              SELECT DISTINCT order_id FROM orderonce.dead_letter_claims
               WHERE state IN ('parked', 'waiting')) d USING (order_id)
           WHERE h.order_id IS NULL OR d.order_id IS NULL`,
  },
];

/** Allows sorts of a million offsets in memory, for this transaction only. */
export async function allowLargeSorts(tx: Transaction): Promise<void> {
  await tx.query(`SET LOCAL work_mem = '128MB'`);
}

/** Runs one query. */
export async function ask(tx: Transaction, { kind, sql }: Question): Promise<RowFinding[]> {
  const { rows } = await tx.query<RowFinding>(
    `SELECT $1::text AS kind, id::text, message FROM (${sql}) q LIMIT ${FINDINGS_MAX}`,
    [kind],
  );
  return rows;
}

/** What a client was told with its 202: the event's place in the log. */
export type Receipt = {
  readonly eventId: string;
  readonly partition: number;
  readonly offset: number;
};

export type ReceiptVerdict = 'accounted' | 'pending' | 'unprovable' | 'missing';

/**
 * Judges receipts of one topic, from whichever of its logs. `accounted`: the place has an outcome
 * with this event id. `pending`: the place is at or past the position. `unprovable`: it is before
 * the first offset that was ever processed. `missing`: none of these.
 * @returns a verdict for each receipt, in the same order.
 */
export async function judgeReceipts(
  tx: Transaction,
  topic: string,
  receipts: readonly Receipt[],
): Promise<ReceiptVerdict[]> {
  const { rows } = await tx.query<{ verdict: ReceiptVerdict }>(
    `WITH ours AS (SELECT log_id FROM orderonce.logs WHERE topic = $1)
     SELECT CASE
              WHEN EXISTS (SELECT FROM orderonce.processed_events x WHERE x.event_id = r.event_id
                     AND (x.log_partition, x.log_offset) = (r.part, r.off)
                     AND x.log_id IN (SELECT log_id FROM ours))
                OR EXISTS (SELECT FROM ours JOIN orderonce.duplicates x USING (log_id)
                     WHERE (x.log_partition, x.log_offset) = (r.part, r.off)
                       AND x.event_id = r.event_id)
                OR EXISTS (SELECT FROM ours JOIN orderonce.conflicts x USING (log_id)
                     WHERE (x.log_partition, x.log_offset) = (r.part, r.off)
                       AND x.event_id = r.event_id)
                OR EXISTS (SELECT FROM ours JOIN orderonce.dead_letters x USING (log_id)
                     WHERE (x.log_partition, x.log_offset) = (r.part, r.off)
                       AND x.event_id = r.event_id)
                THEN 'accounted'
              WHEN p.log_id IS NULL OR r.off >= p.next_offset THEN 'pending'
              WHEN r.off < p.start_offset THEN 'unprovable'
              ELSE 'missing' END AS verdict
       FROM unnest($2::uuid[], $3::int[], $4::bigint[]) WITH ORDINALITY AS r (event_id, part, off, n)
       LEFT JOIN orderonce.consumer_positions p ON p.topic = $1 AND p.log_partition = r.part
      ORDER BY r.n`,
    [
      topic,
      receipts.map(({ eventId }) => eventId),
      receipts.map(({ partition }) => partition),
      receipts.map(({ offset }) => offset),
    ],
  );
  return rows.map(({ verdict }) => verdict);
}
