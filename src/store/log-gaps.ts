import type { LogGap } from '../log/event-log.ts';
import type { LogPartition } from './log-place.ts';
import type { Transaction } from './queryable.ts';

/**
 * Writes the offsets that hold no record, in the transaction that moves the position past them
 * (G3).
 */
export async function insertGaps(
  tx: Transaction,
  place: LogPartition,
  gaps: readonly LogGap[],
): Promise<void> {
  if (gaps.length === 0) return;
  await tx.query(
    `INSERT INTO orderonce.log_gaps (log_id, log_partition, from_offset, to_offset, reason)
     SELECT $1, $2, * FROM unnest($3::bigint[], $4::bigint[], $5::text[])
     ON CONFLICT (log_id, log_partition, from_offset)
       DO UPDATE SET to_offset = greatest(log_gaps.to_offset, excluded.to_offset)`,
    [
      place.logId,
      place.partition,
      gaps.map((gap) => gap.from),
      gaps.map((gap) => gap.to),
      gaps.map((gap) => gap.reason),
    ],
  );
}

/**
 * Writes offsets that were never processed and that the log no longer has, as an operator accepted.
 */
export async function insertAcceptedGap(
  tx: Transaction,
  place: LogPartition,
  { from, to }: { readonly from: number; readonly to: number },
  note: string,
): Promise<void> {
  await tx.query(
    `INSERT INTO orderonce.log_gaps (log_id, log_partition, from_offset, to_offset, reason, note)
     VALUES ($1, $2, $3, $4, 'accepted', $5)`,
    [place.logId, place.partition, from, to, note],
  );
}
