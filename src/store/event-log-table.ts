/** The tables of the embedded log: event_log and event_log_partitions. */
import type { AppendRecord, Header, LogBounds, LogPosition, LogRecord } from '../log/event-log.ts';
import { logRecord } from '../log/log-record.ts';
import { bigintArray, bytesArray, intArray, textArray } from './binary-arrays.ts';
import type { LogPartition } from './log-place.ts';
import type { Queryable, Transaction } from './queryable.ts';
import { MILLISECONDS } from './utc.ts';

/** An embedded log. */
export type StoredLog = {
  readonly logId: number;
  readonly topicId: string;
  readonly partitions: number;
};

/** The newest embedded log of this topic, or null. */
export async function findEmbeddedLog(db: Queryable, topic: string): Promise<StoredLog | null> {
  const { rows } = await db.query<StoredLog>(
    `SELECT l.log_id AS "logId", l.topic_id AS "topicId", count(*)::int AS partitions
       FROM orderonce.logs l JOIN orderonce.event_log_partitions p USING (log_id)
      WHERE l.topic = $1 GROUP BY l.log_id ORDER BY l.log_id DESC LIMIT 1`,
    [topic],
  );
  return rows[0] ?? null;
}

/**
 * Until COMMIT, no other transaction can create a log of this topic. Otherwise there might be two.
 */
export async function lockEmbeddedLog(tx: Transaction, topic: string): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`orderonce log ${topic}`]);
}

/** Creates a log and its partitions, in the caller's transaction. */
export async function insertEmbeddedLog(
  tx: Transaction,
  topic: string,
  topicId: string,
  partitions: number,
): Promise<void> {
  await tx.query(
    `WITH log AS (INSERT INTO orderonce.logs (topic, topic_id) VALUES ($1, $2) RETURNING log_id)
     INSERT INTO orderonce.event_log_partitions (log_id, log_partition)
     SELECT log_id, generate_series(0, $3 - 1) FROM log`,
    [topic, topicId, partitions],
  );
}

/**
 * Takes the next offsets of each partition and inserts the records there. It locks the rows of the
 * partitions, in order, so appends to one partition commit one after the other. Therefore a reader
 * never sees an offset before all smaller ones.
 * @returns the position of each record, in the same order.
 */
export async function insertLogRecords(
  tx: Transaction,
  logId: number,
  records: readonly (AppendRecord & { partition: number })[],
): Promise<LogPosition[]> {
  const counts = new Map<number, number>();
  for (const { partition } of records) counts.set(partition, (counts.get(partition) ?? 0) + 1);
  const partitions = [...counts.keys()].sort((a, b) => a - b);
  await tx.query(
    `SELECT FROM orderonce.event_log_partitions WHERE log_id = $1 AND log_partition = ANY ($2::int[])
      ORDER BY log_partition FOR UPDATE`,
    [logId, partitions],
  );
  const { rows } = await tx.query<{ partition: number; first: number }>(
    `UPDATE orderonce.event_log_partitions p SET next_offset = p.next_offset + n.count
       FROM unnest($2::int[], $3::bigint[]) AS n (log_partition, count)
      WHERE p.log_id = $1 AND p.log_partition = n.log_partition
  RETURNING p.log_partition AS partition, p.next_offset - n.count AS first`,
    [logId, partitions, partitions.map((partition) => counts.get(partition))],
  );
  const nexts = new Map(rows.map(({ partition, first }) => [partition, first]));
  const positions = records.map(({ partition }) => {
    const offset = nexts.get(partition) as number;
    nexts.set(partition, offset + 1);
    return { partition, offset };
  });
  await tx.query(
    `INSERT INTO orderonce.event_log (log_id, log_partition, log_offset, key, value, headers)
     SELECT $1, part, off, key, value, headers::jsonb
       FROM unnest($2::int[], $3::bigint[], $4::bytea[], $5::bytea[], $6::text[])
         AS r (part, off, key, value, headers)`,
    [
      logId,
      intArray(positions.map(({ partition }) => partition)),
      bigintArray(positions.map(({ offset }) => offset)),
      bytesArray(records.map(({ key }) => key)),
      bytesArray(records.map(({ value }) => value)),
      textArray(
        records.map(({ headers = [] }) => (headers.length === 0 ? null : headersToJson(headers))),
      ),
    ],
  );
  return positions;
}

/** The records from `offset` on, in order, at most `limit`. */
export async function readLogRecords(
  db: Queryable,
  logId: number,
  partition: number,
  offset: number,
  limit: number,
): Promise<LogRecord[]> {
  const { rows } = await db.query(
    `SELECT log_partition AS partition, log_offset AS "offset", key, value, headers,
            ${MILLISECONDS('appended_at')} AS "appendedMs"
       FROM orderonce.event_log
      WHERE log_id = $1 AND log_partition = $2 AND log_offset >= $3
      ORDER BY log_offset LIMIT $4`,
    [logId, partition, offset, limit],
  );
  return rows.map((row) => logRecord({ ...row, headers: headersFromJson(row.headers) }));
}

/** The bounds of each partition. */
export async function readLogBounds(db: Queryable, logId: number): Promise<Map<number, LogBounds>> {
  const { rows } = await db.query<{ partition: number; start: number; end: number }>(
    `SELECT log_partition AS partition, start_offset AS start, next_offset AS end
       FROM orderonce.event_log_partitions WHERE log_id = $1`,
    [logId],
  );
  return new Map(rows.map(({ partition, start, end }) => [partition, { start, end }]));
}

const TRIM_RECORDS_MAX = 10_000;

/**
 * Removes records from the start of a partition that are older than `hours` and that the consumer
 * has processed; at most TRIM_RECORDS_MAX, in the caller's transaction. It stops at the first
 * younger record, so the remaining offsets stay dense. A topic of the outbox has no position, so
 * there only the age decides.
 *
 * @returns how many records were removed.
 */
export async function trimLogPartition(
  tx: Transaction,
  logId: number,
  partition: number,
  hours: number,
): Promise<number> {
  const { rowCount } = await tx.query(
    `WITH p AS (
       SELECT start_offset FROM orderonce.event_log_partitions
        WHERE log_id = $1 AND log_partition = $2 FOR UPDATE
     ), oldest AS (
       SELECT log_offset, appended_at FROM orderonce.event_log e, p
        WHERE e.log_id = $1 AND e.log_partition = $2 AND e.log_offset >= p.start_offset
        ORDER BY log_offset LIMIT ${TRIM_RECORDS_MAX}
     ), bound AS (
       SELECT least(
         coalesce(min(log_offset) FILTER (WHERE appended_at >= now() - $3 * interval '1 hour'),
                  max(log_offset) + 1),
         (SELECT next_offset FROM orderonce.consumer_positions WHERE log_id = $1 AND log_partition = $2)
       ) AS start FROM oldest
     ), moved AS (
       UPDATE orderonce.event_log_partitions SET start_offset = bound.start FROM bound
        WHERE log_id = $1 AND log_partition = $2 AND start_offset < bound.start
     )
     DELETE FROM orderonce.event_log e USING bound
      WHERE e.log_id = $1 AND e.log_partition = $2 AND e.log_offset < bound.start`,
    [logId, partition, hours],
  );
  return rowCount ?? 0;
}

/** The partitions of all embedded logs, including older logs of the same topic. */
export async function listLogPartitions(db: Queryable): Promise<LogPartition[]> {
  const { rows } = await db.query<LogPartition>(
    `SELECT log_id AS "logId", log_partition AS partition FROM orderonce.event_log_partitions
      ORDER BY log_id, log_partition`,
  );
  return rows;
}

type JsonHeader = [string | null, string | null];

function headersToJson(headers: readonly Header[]): string {
  const text = (bytes: Buffer | null) => bytes?.toString('base64') ?? null;
  return JSON.stringify(headers.map(([key, value]) => [text(key), text(value)]));
}

function headersFromJson(headers: JsonHeader[] | null): Header[] {
  const bytes = (base64: string | null) => (base64 === null ? null : Buffer.from(base64, 'base64'));
  return (headers ?? []).map(([key, value]) => [bytes(key), bytes(value)]);
}
