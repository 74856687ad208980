import type { EventRecord } from '../log/decoded-record.ts';
import { bigintArray, intArray, textArray, uuidArray } from './binary-arrays.ts';
import { COUNTED_MAX } from './capped.ts';
import { LEDGER_COLUMNS, type LedgerFilter, type LedgerRow, readLedger } from './ledger.ts';
import type { Claim } from './processed-events.ts';
import type { Queryable, Transaction } from './queryable.ts';

/** Why a record repeats an event id. */
export type RepeatSource =
  /** Both records came from one request: the producer repeated its append. */
  | 'producer_retry'
  /** A client sent it again, to the same producer process or to another one. */
  | 'resent_same_process'
  | 'resent_other_process'
  /** A foreign client wrote it to the topic, not through the API. */
  | 'foreign_client'
  /** It came through the API; the first came from a foreign client or has no known request. */
  | 'first_was_foreign'
  /** A dead letter was redriven, and another record had taken its id. */
  | 'redrive';

/** A record that repeats an event id, with the claim of the record that has the id. */
export type Repeat = {
  readonly event: EventRecord;
  readonly claim: Claim;
  readonly source: RepeatSource;
  /** Milliseconds between the arrivals of the two records; null if one of them is unknown. */
  readonly afterMs: number | null;
};

/**
 * Writes a row for each duplicate. A record that is read again after a rewind already has its row.
 * DO UPDATE counts such a row too, so that the row count equals the number of records, which the
 * batch transaction checks.
 *
 * @returns how many of these records have a row now.
 */
export async function insertDuplicates(
  tx: Transaction,
  logId: number,
  repeats: readonly Repeat[],
): Promise<number> {
  if (repeats.length === 0) return 0;
  const { rowCount } = await tx.query(
    `INSERT INTO orderonce.duplicates (log_id, log_partition, log_offset, event_id, request_id, source,
       after_ms, first_log_id, first_log_partition, first_log_offset)
     SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::uuid[], $5::uuid[], $6::text[],
                              $7::bigint[], $8::int[], $9::int[], $10::bigint[])
     ON CONFLICT (log_id, log_partition, log_offset) DO UPDATE SET event_id = excluded.event_id`,
    [
      logId,
      intArray(repeats.map(({ event }) => event.record.partition)),
      bigintArray(repeats.map(({ event }) => event.record.offset)),
      uuidArray(repeats.map(({ event }) => event.event.eventId)),
      uuidArray(repeats.map(({ event }) => event.record.requestId)),
      textArray(repeats.map(({ source }) => source)),
      bigintArray(repeats.map(({ afterMs }) => afterMs)),
      intArray(repeats.map(({ claim }) => claim.logId)),
      intArray(repeats.map(({ claim }) => claim.partition)),
      bigintArray(repeats.map(({ claim }) => claim.offset)),
    ],
  );
  return rowCount ?? 0;
}

/** Duplicates, sorted as the filter says. */
export async function listDuplicates(db: Queryable, filter: LedgerFilter): Promise<LedgerRow[]> {
  return await readLedger(db, { table: 'duplicates', columns: LEDGER_COLUMNS }, filter);
}

/** A duplicate within this time is most likely a client's retry; a later one was sent anew. */
export const RETRY_WINDOW_MS = 60_000;

/** How many duplicates have a source, and came within RETRY_WINDOW_MS of the first record. */
export type SourceCount = {
  /** null in rows of releases that did not record it. */
  readonly source: RepeatSource | null;
  /** null if the time between the two is unknown. */
  readonly within_a_minute: boolean | null;
  readonly count: number;
};

/**
 * Counts the newest duplicates, COUNTED_MAX at most: the same number of each partition, since a
 * count of millions takes seconds. GET /activity has the numbers of the last 30 days.
 */
export async function countDuplicates(
  db: Queryable,
): Promise<{ readonly items: readonly SourceCount[]; readonly isCapped: boolean }> {
  const { rows } = await db.query<SourceCount>(
    `WITH places AS (
       SELECT log_id, log_partition FROM orderonce.consumer_positions
       UNION SELECT log_id, log_partition FROM orderonce.closed_positions)
     SELECT source, after_ms <= $1 AS within_a_minute, count(*) AS count
       FROM places p CROSS JOIN LATERAL (
         SELECT source, after_ms FROM orderonce.duplicates d
          WHERE d.log_id = p.log_id AND d.log_partition = p.log_partition
          ORDER BY d.log_offset DESC LIMIT ${COUNTED_MAX} / (SELECT count(*) FROM places)) newest
      GROUP BY 1, 2 ORDER BY count DESC, source`,
    [RETRY_WINDOW_MS],
  );
  const { rows: more } = await db.query<{ n: number }>(
    `SELECT count(*) AS n FROM (SELECT FROM orderonce.duplicates LIMIT ${COUNTED_MAX + 1}) d`,
  );
  const sum = rows.reduce((total, { count }) => total + count, 0);
  return { items: rows, isCapped: sum < (more[0]?.n ?? 0) };
}
