/** Changes of consumer_positions that only an operator can decide; see docs/positions.md. */
import type { Transaction } from './queryable.ts';

/** Added partitions no longer wait for this one, because its offsets now mean other records. */
export async function forgetWaitsFor(
  tx: Transaction,
  topic: string,
  partition: number,
): Promise<void> {
  await tx.query(
    'UPDATE orderonce.consumer_positions SET waits_for = waits_for - $2::text WHERE topic = $1 AND waits_for ? $2::text',
    [topic, String(partition)],
  );
}

/** A position as an operator found it. A change is made only if the position is still the same. */
export type PositionPlace = {
  readonly topic: string;
  readonly partition: number;
  readonly logId: number;
  readonly nextOffset: number;
};

/**
 * Moves a position past offsets that the log no longer has.
 * @returns false if it has moved since.
 */
export async function skipTo(
  tx: Transaction,
  { topic, partition, logId, nextOffset }: PositionPlace,
  to: number,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `UPDATE orderonce.consumer_positions SET next_offset = $5, updated_at = now()
      WHERE topic = $1 AND log_partition = $2 AND log_id = $3 AND next_offset = $4`,
    [topic, partition, logId, nextOffset, to],
  );
  return rowCount === 1;
}

/**
 * Closes the account of a partition in its log. `verify` continues to check what was processed
 * there.
 * @returns false if the position has moved since.
 */
export async function closePosition(
  tx: Transaction,
  { topic, partition, logId, nextOffset }: PositionPlace,
  { actor, reason }: { readonly actor: string; readonly reason: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `WITH closed AS (
       DELETE FROM orderonce.consumer_positions
        WHERE topic = $1 AND log_partition = $2 AND log_id = $3 AND next_offset = $4
       RETURNING log_id, log_partition, topic, start_offset, next_offset
     )
     INSERT INTO orderonce.closed_positions
       (log_id, log_partition, topic, start_offset, next_offset, actor, reason)
     SELECT closed.*, $5, $6 FROM closed`,
    [topic, partition, logId, nextOffset, actor, reason],
  );
  return rowCount === 1;
}

/** Opens the account of a partition in a log, at the offset `start`. */
export async function openPosition(
  tx: Transaction,
  topic: string,
  partition: number,
  { logId, start }: { readonly logId: number; readonly start: number },
): Promise<void> {
  await tx.query(
    `INSERT INTO orderonce.consumer_positions (topic, log_partition, log_id, next_offset, start_offset)
     VALUES ($1, $2, $3, $4, $4)`,
    [topic, partition, logId, start],
  );
}
