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
  const ignored = gaps.filter(({ reason }) => reason === 'ignored');
  if (ignored.length > 0) await insertIgnored(tx, place, ignored);
  const empty = gaps.filter(({ reason }) => reason !== 'ignored');
  if (empty.length === 0) return;
  await tx.query(
    `INSERT INTO orderonce.log_gaps (log_id, log_partition, from_offset, to_offset, reason)
     SELECT $1, $2, * FROM unnest($3::bigint[], $4::bigint[], $5::text[])
     ON CONFLICT (log_id, log_partition, from_offset)
       DO UPDATE SET to_offset = greatest(log_gaps.to_offset, excluded.to_offset)`,
    [
      place.logId,
      place.partition,
      empty.map((gap) => gap.from),
      empty.map((gap) => gap.to),
      empty.map((gap) => gap.reason),
    ],
  );
}

/**
 * Writes the offsets of records that are no events. Other batches may divide the same offsets
 * differently when they are read again after a rewind, so what is written already is left out.
 */
async function insertIgnored(
  tx: Transaction,
  place: LogPartition,
  ranges: readonly LogGap[],
): Promise<void> {
  await tx.query(
    `INSERT INTO orderonce.log_gaps (log_id, log_partition, from_offset, to_offset, reason)
     SELECT $1, $2, lower(r), upper(r), 'ignored'
       FROM (SELECT range_agg(int8range(f, t)) AS now FROM unnest($3::bigint[], $4::bigint[]) AS n (f, t)) n,
            LATERAL (SELECT coalesce(range_agg(int8range(from_offset, to_offset)), '{}') AS known
                       FROM orderonce.log_gaps
                      WHERE log_id = $1 AND log_partition = $2
                        AND to_offset > lower(n.now) AND from_offset < upper(n.now)) k,
            unnest(n.now - k.known) AS r`,
    [place.logId, place.partition, ranges.map(({ from }) => from), ranges.map(({ to }) => to)],
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
