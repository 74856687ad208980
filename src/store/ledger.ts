/** Lists rows of duplicates or conflicts, which have one row per record. */
import type { LogPlace } from './log-place.ts';
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

/** Which rows to list; a field that is undefined does not restrict. */
export type LedgerFilter = {
  readonly eventId?: string | undefined;
  readonly source?: string | undefined;
  /** Only rows behind this place. */
  readonly after?: LogPlace | undefined;
  readonly limit: number;
};

export type LedgerRow = LogPlace & Readonly<Record<string, unknown>>;

export const LEDGER_COLUMNS = `log_id AS "logId", log_partition AS partition, log_offset AS "offset",
  event_id, request_id, source, after_ms, first_log_id, first_log_partition, first_log_offset,
  ${UTC('seen_at')} AS seen_at`;

/**
 * Rows that match, in log order.
 * @param select a constant SELECT of one of the two tables, without WHERE.
 */
export async function readLedger(
  db: Queryable,
  select: string,
  { eventId, source, after, limit }: LedgerFilter,
): Promise<LedgerRow[]> {
  const { rows } = await db.query<LedgerRow>(
    `${select}
      WHERE ($1::uuid IS NULL OR event_id = $1) AND ($2::text IS NULL OR source = $2)
        AND ($3::int IS NULL OR (log_id, log_partition, log_offset) > ($3, $4::int, $5::bigint))
      ORDER BY log_id, log_partition, log_offset LIMIT $6`,
    [
      eventId ?? null,
      source ?? null,
      after?.logId ?? null,
      after?.partition ?? null,
      after?.offset ?? null,
      limit,
    ],
  );
  return rows;
}
