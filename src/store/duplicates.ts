import type { EventRecord } from '../log/decoded-record.ts';
import { bigintArray, intArray, textArray, uuidArray } from './binary-arrays.ts';
import { LEDGER_COLUMNS, type LedgerFilter, type LedgerRow, readLedger } from './ledger.ts';
import type { Queryable, Transaction } from './pool.ts';
import type { Claim } from './processed-events.ts';

/** Why a record repeats an event id. */
export type RepeatSource =
  /** One request, two records: the producer's own append was repeated. */
  | 'producer_retry'
  /** A client sent it again, to the same producer process or to another one. */
  | 'resent_same_process'
  | 'resent_other_process'
  /** Written to the topic by a client of its own, not through our API. */
  | 'foreign_client'
  /** Came through our API; the first by a foreign client, or in a release that kept no request ids. */
  | 'first_was_foreign'
  /** A dead letter was redriven, whose id had been stored meanwhile. */
  | 'redrive';

/** A record that repeats an event id, with the claim that it meets. */
export type Repeat = {
  readonly event: EventRecord;
  readonly claim: Claim;
  readonly source: RepeatSource;
  /** From the first record's arrival to this one's, in ms; null where the first's is not known. */
  readonly afterMs: number | null;
};

/**
 * One row for each duplicate record. A record that is read again after a rewind meets its own row;
 * writing over it keeps the row count equal to the record count, which the heart checks.
 *
 * @returns how many records have a row now.
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

/** In log order. */
export async function listDuplicates(db: Queryable, filter: LedgerFilter): Promise<LedgerRow[]> {
  return await readLedger(db, `SELECT ${LEDGER_COLUMNS} FROM orderonce.duplicates`, filter);
}

/** A client's own retry comes within this; later, somebody or something sent it anew. */
export const RETRY_WINDOW_MS = 60_000;

export type SourceCount = {
  readonly source: RepeatSource | null;
  /** null where the time between is not known. */
  readonly within_a_minute: boolean | null;
  readonly count: number;
};

export async function countDuplicates(db: Queryable): Promise<SourceCount[]> {
  const { rows } = await db.query<SourceCount>(
    `SELECT source, after_ms <= $1 AS within_a_minute, count(*) AS count FROM orderonce.duplicates
      GROUP BY 1, 2 ORDER BY count DESC, source`,
    [RETRY_WINDOW_MS],
  );
  return rows;
}
