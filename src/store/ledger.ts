import { COUNTED_MAX } from './capped.ts';
import type { Behind, Sort } from './dead-letter-choice.ts';
import type { LogPlace } from './log-place.ts';
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

/** Which rows to list, and how; a field that is undefined does not restrict. */
export type LedgerFilter = {
  readonly eventId?: string | undefined;
  readonly source?: string | undefined;
  readonly sort: Sort;
  /** Only rows behind this one. */
  readonly after?: Behind | undefined;
  readonly limit: number;
};

export type LedgerRow = LogPlace & { readonly seen_at: string } & Readonly<Record<string, unknown>>;

/** One of the two tables, and the columns to select of it. */
export type Ledger = { readonly table: 'duplicates' | 'conflicts'; readonly columns: string };

export const LEDGER_COLUMNS = `log_id AS "logId", log_partition AS partition, log_offset AS "offset",
  event_id, request_id, source, after_ms, first_log_id, first_log_partition, first_log_offset,
  ${UTC('seen_at')} AS seen_at`;

const PLACE = 'log_id, log_partition, log_offset';
const DIRECTIONS = { newest: ['DESC', '<'], oldest: ['ASC', '>'] } as const;

/**
 * Rows that match, by time or in log order.
 *
 * An index by time would cost every duplicate a little, and is not needed: within a partition, rows
 * appear in the order of their offsets, so the ends of the partitions are read on the primary key
 * and merged. Only rows of redrives appear in another order; they are few, and have a partial index
 * by time. A list by time of one source searches the first COUNTED_MAX rows of all sources.
 */
export async function readLedger(
  db: Queryable,
  { table, columns }: Ledger,
  { eventId, source, sort, after, limit }: LedgerFilter,
): Promise<LedgerRow[]> {
  const { at = null, place } = after ?? {};
  const values = [
    eventId ?? null,
    source ?? null,
    limit,
    ...[place?.logId ?? null, place?.partition ?? null, place?.offset ?? null],
  ];
  const matches = '($1::uuid IS NULL OR event_id = $1) AND ($2::text IS NULL OR source = $2)';
  if (sort === 'place') {
    const { rows } = await db.query<LedgerRow>(
      `SELECT ${columns} FROM orderonce.${table}
        WHERE ${matches} AND ($4::int IS NULL OR (${PLACE}) > ($4, $5::int, $6::bigint))
        ORDER BY ${PLACE} LIMIT $3`,
      values,
    );
    return rows;
  }
  const [direction, behind] = DIRECTIONS[sort];
  // With the name of the table: `seen_at` alone would be the text that is selected.
  const order = ['seen_at', ...PLACE.split(', ')]
    .map((column) => `${table}.${column} ${direction}`)
    .join(', ');
  const isBehind = `($7::timestamptz IS NULL
    OR (seen_at, ${PLACE}) ${behind} ($7, $4::int, $5::int, $6::bigint))`;
  // The bound is inside, so that a source that is rare is not searched in all rows.
  const ofPartitions = `SELECT r.* FROM places p CROSS JOIN LATERAL (
      SELECT * FROM (
        SELECT * FROM orderonce.${table} t
         WHERE t.log_id = p.log_id AND t.log_partition = p.log_partition AND ${isBehind}
           AND source IS DISTINCT FROM 'redrive'
         ORDER BY t.log_offset ${direction}
         LIMIT ${COUNTED_MAX} / (SELECT count(*) FROM places)) searched
       WHERE ${matches} ORDER BY log_offset ${direction} LIMIT $3) r
    UNION ALL
    (SELECT * FROM orderonce.${table} ${table}
      WHERE source = 'redrive' AND ${matches} AND ${isBehind} ORDER BY ${order} LIMIT $3)`;
  // An event has few rows, and an index of its own.
  const ofEvent = `SELECT * FROM orderonce.${table} WHERE ${matches} AND ${isBehind}`;
  const { rows } = await db.query<LedgerRow>(
    `WITH places AS (
       SELECT log_id, log_partition FROM orderonce.consumer_positions
       UNION SELECT log_id, log_partition FROM orderonce.closed_positions)
     SELECT ${columns} FROM (${eventId === undefined ? ofPartitions : ofEvent}) ${table}
      ORDER BY ${order} LIMIT $3`,
    [...values, at],
  );
  return rows;
}
