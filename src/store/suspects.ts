/** The table suspects: the records with which a process may die. At most one row per partition. */
import type { LogPartition } from './log-place.ts';
import type { Queryable } from './queryable.ts';

/** A range of offsets, [from, to), that was begun and not finished. */
export type Suspect = {
  readonly from: number;
  readonly to: number;
  /** How often exactly this range was begun. */
  readonly attempts: number;
  /** Whether the record was decoded in the last attempt, before the process died. */
  readonly isDecoded: boolean;
};

/** The note of a partition, or null. */
export async function findSuspect(db: Queryable, place: LogPartition): Promise<Suspect | null> {
  const { rows } = await db.query<Suspect>(
    `SELECT from_offset AS "from", to_offset AS "to", attempts, is_decoded AS "isDecoded"
       FROM orderonce.suspects WHERE log_id = $1 AND log_partition = $2`,
    [place.logId, place.partition],
  );
  return rows[0] ?? null;
}

/** Notes that a range is begun. Attempts at exactly the same range are counted. */
export async function noteAttempt(
  db: Queryable,
  place: LogPartition,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Suspect> {
  const { rows } = await db.query<{ attempts: number }>(
    `INSERT INTO orderonce.suspects AS s (log_id, log_partition, from_offset, to_offset, attempts)
     VALUES ($1, $2, $3, $4, 1)
     ON CONFLICT (log_id, log_partition) DO UPDATE SET
       attempts = CASE WHEN (s.from_offset, s.to_offset) = (excluded.from_offset, excluded.to_offset)
                  THEN s.attempts + 1 ELSE 1 END,
       from_offset = excluded.from_offset, to_offset = excluded.to_offset, is_decoded = false,
       updated_at = now()
     RETURNING attempts`,
    [place.logId, place.partition, from, to],
  );
  return { from, to, attempts: rows[0]?.attempts ?? 1, isDecoded: false };
}

/** Notes that the noted record was decoded: if the process dies now, it is not of decoding it. */
export async function noteDecoded(db: Queryable, place: LogPartition): Promise<void> {
  await db.query(
    'UPDATE orderonce.suspects SET is_decoded = true WHERE log_id = $1 AND log_partition = $2',
    [place.logId, place.partition],
  );
}

/** Deletes the note of a partition. */
export async function clearSuspect(db: Queryable, place: LogPartition): Promise<void> {
  await db.query('DELETE FROM orderonce.suspects WHERE log_id = $1 AND log_partition = $2', [
    place.logId,
    place.partition,
  ]);
}
