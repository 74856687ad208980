import type { EventRecord } from '../log/decoded-record.ts';
import type { Transaction } from './pool.ts';
import type { BatchPlace, Claim } from './processed-events.ts';

/** A record that repeats an event id, with the claim that it meets. */
export type Repeat = { readonly event: EventRecord; readonly claim: Claim };

/**
 * One row for each duplicate record. A record that is read again after a rewind meets its own row;
 * writing over it keeps the row count equal to the record count, which the heart checks.
 *
 * @returns how many records have a row now.
 */
export async function insertDuplicates(
  tx: Transaction,
  place: BatchPlace,
  repeats: readonly Repeat[],
): Promise<number> {
  if (repeats.length === 0) return 0;
  const { rowCount } = await tx.query(
    `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
     SELECT $1, $2, * FROM unnest($3::bigint[], $4::uuid[])
     ON CONFLICT (log_id, log_partition, log_offset) DO UPDATE SET event_id = excluded.event_id`,
    [
      place.logId,
      place.partition,
      repeats.map(({ event }) => event.record.offset),
      repeats.map(({ event }) => event.event.eventId),
    ],
  );
  return rowCount ?? 0;
}
