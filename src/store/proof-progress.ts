/**
 * The tables proof_worker, proof_progress and proof_segments: which process proves, and how far the
 * proof is.
 */

import type { OffsetRange } from './account-parts.ts';
import type { StoredSum } from './account-queries.ts';
import { POSITIONS } from './account-scope.ts';
import type { LogPartition } from './log-place.ts';
import type { Pool } from './pool.ts';
import type { Transaction } from './queryable.ts';
import { UTC } from './utc.ts';

/** How many offsets of a partition share a row of proof_segments. No proven range crosses its end. */
export const SEGMENT = 20_000;

/**
 * Takes the lease for `leaseMs`, or renews it. A lease that ends later than any could was taken
 * before the database's clock was set back, and does not count.
 * @returns whether this process has the lease.
 */
export async function takeProofLease(pool: Pool, owner: string, leaseMs: number): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE orderonce.proof_worker SET owner = $1, lease_until = now() + $2 * interval '1 ms'
      WHERE owner IS NULL OR owner = $1 OR lease_until < now()
         OR lease_until > now() + $2 * interval '1 ms'`,
    [owner, leaseMs],
  );
  return rowCount === 1;
}

/** Releases the lease, so that another process need not wait until it expires. */
export async function releaseProofLease(pool: Pool, owner: string): Promise<void> {
  await pool.query('UPDATE orderonce.proof_worker SET owner = NULL WHERE owner = $1', [owner]);
}

/** Notes why the proof does not advance, or null if it does. */
export async function noteProofTrouble(pool: Pool, trouble: string | null): Promise<void> {
  await pool.query(
    'UPDATE orderonce.proof_worker SET trouble = $1 WHERE trouble IS DISTINCT FROM $1',
    [trouble],
  );
}

/**
 * From the head of a partition to its position. `from` is greater than `to` if the position was moved
 * back after it was proven.
 */
export type Unproven = OffsetRange;

/** From the head to the position, for the partitions where they differ; the longest first. */
export async function readUnproven(tx: Transaction): Promise<Unproven[]> {
  const { rows } = await tx.query<Unproven>(
    `SELECT log_id AS "logId", log_partition AS partition,
            coalesce(g.head_to, p.start_offset) AS "from", p.next_offset AS "to"
       FROM (${POSITIONS}) p LEFT JOIN orderonce.proof_progress g USING (log_id, log_partition)
      WHERE coalesce(g.head_to, p.start_offset) <> p.next_offset
      ORDER BY p.next_offset - coalesce(g.head_to, p.start_offset) DESC, 1, 2`,
  );
  return rows;
}

/** When the snapshot of a transaction was taken. */
export async function readSnapshotTime(tx: Transaction): Promise<string> {
  const { rows } = await tx.query<{ at: string }>(`SELECT ${UTC('now()')} AS at`);
  return rows[0]?.at ?? '';
}

/** A range that was examined, and what is stored in it. */
export type ProvenRange = OffsetRange & StoredSum;

/**
 * Moves heads over these ranges, and adds what is stored in them to their segments. A head moves only
 * from exactly where its range begins. Otherwise two processes that both believe to have the lease
 * would add the same range twice.
 */
export async function advanceHead(pool: Pool, ranges: readonly ProvenRange[]): Promise<void> {
  await pool.query(
    `WITH proven AS (
       SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::numeric[])
         AS r (log_id, log_partition, from_offset, to_offset, stored, digests)
     ), moved AS (
       INSERT INTO orderonce.proof_progress AS g (log_id, log_partition, head_to)
       SELECT log_id, log_partition, to_offset FROM proven ORDER BY 1, 2
       ON CONFLICT (log_id, log_partition) DO UPDATE SET head_to = excluded.head_to
        WHERE g.head_to = (SELECT from_offset FROM proven p
                            WHERE (p.log_id, p.log_partition) = (g.log_id, g.log_partition))
       RETURNING log_id, log_partition
     )
     INSERT INTO orderonce.proof_segments AS s (log_id, log_partition, segment, stored, digests)
     SELECT log_id, log_partition, from_offset / ${SEGMENT}, stored, digests
       FROM proven JOIN moved USING (log_id, log_partition) ORDER BY 1, 2
     ON CONFLICT (log_id, log_partition, segment) DO UPDATE
       SET stored = s.stored + excluded.stored, digests = s.digests + excluded.digests`,
    [
      ranges.map(({ logId }) => logId),
      ranges.map(({ partition }) => partition),
      ranges.map(({ from }) => from),
      ranges.map(({ to }) => to),
      ranges.map(({ stored }) => stored),
      ranges.map(({ digests }) => digests),
    ],
  );
}

/** Notes that everything up to the positions of the snapshot taken at `at` is proven. */
export async function noteHeadProven(pool: Pool, at: string): Promise<void> {
  await pool.query('UPDATE orderonce.proof_worker SET head_at = $1::timestamptz', [at]);
}

/** A segment of a partition: the offsets from `segment` × SEGMENT on. */
export type SegmentPlace = LogPartition & { readonly segment: number };

/** The part of a segment that the head has proven, and what it noted about that part. */
export async function readSegment(
  tx: Transaction,
  { logId, partition, segment }: SegmentPlace,
): Promise<ProvenRange> {
  const { rows } = await tx.query<Omit<ProvenRange, 'logId' | 'partition'>>(
    `SELECT greatest(p.start_offset, $3::bigint * ${SEGMENT}) AS "from",
            least(g.head_to, ($3::bigint + 1) * ${SEGMENT}) AS "to",
            coalesce(s.stored, 0) AS stored, coalesce(s.digests, 0)::text AS digests
       FROM (${POSITIONS}) p JOIN orderonce.proof_progress g USING (log_id, log_partition)
       LEFT JOIN LATERAL (SELECT stored, digests FROM orderonce.proof_segments n
                           WHERE (n.log_id, n.log_partition, n.segment) = ($1, $2, $3::bigint)) s ON true
      WHERE log_id = $1 AND log_partition = $2`,
    [logId, partition, segment],
  );
  const nothing = { from: 0, to: 0, stored: 0, digests: '0' };
  return { logId, partition, ...(rows[0] ?? nothing) };
}
