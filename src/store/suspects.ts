/** suspects: what may have to be isolated; one row per partition at most. */
import type { Queryable } from './pool.ts';
import type { BatchPlace } from './processed-events.ts';

export type Suspect = {
  readonly from: number;
  readonly to: number;
  /** It failed alone; or the process died while it was being processed. */
  readonly kind: 'failed' | 'died';
  readonly attempts: number;
};

/** By partition. */
export async function findSuspects(db: Queryable, logId: number): Promise<Map<number, Suspect>> {
  const { rows } = await db.query<Suspect & { partition: number }>(
    `SELECT log_partition AS partition, from_offset AS "from", to_offset AS "to", kind, attempts
       FROM suspects WHERE log_id = $1`,
    [logId],
  );
  return new Map(rows.map(({ partition, ...suspect }) => [partition, suspect]));
}

/** Counts one more attempt at this very range, the first one of a new range. */
export async function noteAttempt(
  db: Queryable,
  place: BatchPlace,
  { from, to, kind, reason }: Omit<Suspect, 'attempts'> & { readonly reason: string },
): Promise<Suspect> {
  const { rows } = await db.query<{ attempts: number }>(
    `INSERT INTO suspects AS s (log_id, log_partition, from_offset, to_offset, kind, attempts, reason)
     VALUES ($1, $2, $3, $4, $5, 1, $6)
     ON CONFLICT (log_id, log_partition) DO UPDATE SET
       attempts = CASE WHEN (s.from_offset, s.to_offset, s.kind)
                       = (excluded.from_offset, excluded.to_offset, excluded.kind)
                  THEN s.attempts + 1 ELSE 1 END,
       from_offset = excluded.from_offset, to_offset = excluded.to_offset, kind = excluded.kind,
       reason = excluded.reason, updated_at = now()
     RETURNING attempts`,
    [place.logId, place.partition, from, to, kind, reason.slice(0, 1000)],
  );
  return { from, to, kind, attempts: rows[0]?.attempts ?? 1 };
}

export async function clearSuspect(db: Queryable, place: BatchPlace): Promise<void> {
  await db.query('DELETE FROM suspects WHERE log_id = $1 AND log_partition = $2', [
    place.logId,
    place.partition,
  ]);
}
