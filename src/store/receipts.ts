/** Looks up what clients were told with their 202. */
import type { Transaction } from './queryable.ts';

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
