/**
 * consumer_positions: where each partition goes on. Written only here, and moved only by
 * compare-and-set inside the transaction whose effects it accounts for (G7).
 */
import type { LogBounds } from '../log/event-log.ts';
import type { Queryable, Transaction } from './pool.ts';

export type Position = {
  readonly partition: number;
  readonly logId: number;
  readonly nextOffset: number;
  /** The last record before nextOffset and its digest; null before the first. */
  readonly lastOffset: number | null;
  readonly lastDigest: string | null;
  /** Offsets that other partitions must have passed first: partition → next_offset. */
  readonly waitsFor: Readonly<Record<string, number>> | null;
};

/**
 * Gives every partition of a log its row. A first deployment begins at the log's start, never at
 * its end. A partition that comes later was added: an order's older events may lie in the old
 * partitions, so it waits until those have passed the ends they have now.
 */
export async function ensurePositions(
  db: Queryable,
  topic: string,
  logId: number,
  bounds: ReadonlyMap<number, LogBounds>,
): Promise<void> {
  const known = new Set((await readPositions(db, topic)).map((position) => position.partition));
  const isGrowth = known.size > 0;
  const ends = [...bounds].filter(([partition]) => known.has(partition));
  const waitsFor = isGrowth
    ? JSON.stringify(Object.fromEntries(ends.map(([partition, { end }]) => [partition, end])))
    : null;
  for (const [partition, { start }] of [...bounds].sort(([a], [b]) => a - b)) {
    if (known.has(partition)) continue;
    await db.query(
      `INSERT INTO consumer_positions
         (topic, log_partition, log_id, next_offset, start_offset, waits_for)
       VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT (topic, log_partition) DO NOTHING`,
      [topic, partition, logId, start, waitsFor],
    );
  }
}

export async function readPositions(db: Queryable, topic: string): Promise<Position[]> {
  const { rows } = await db.query(
    `SELECT log_partition AS partition, log_id AS "logId", next_offset AS "nextOffset",
            last_offset AS "lastOffset", encode(last_digest, 'hex') AS "lastDigest",
            waits_for AS "waitsFor"
       FROM consumer_positions WHERE topic = $1 ORDER BY log_partition`,
    [topic],
  );
  return rows;
}

/** The added partition need not wait any more. */
export async function clearWaitsFor(
  db: Queryable,
  topic: string,
  partition: number,
): Promise<void> {
  await db.query(
    'UPDATE consumer_positions SET waits_for = NULL WHERE topic = $1 AND log_partition = $2',
    [topic, partition],
  );
}

export type PositionMove = {
  readonly topic: string;
  readonly partition: number;
  readonly logId: number;
  readonly from: number;
  readonly to: number;
  readonly leaderEpoch: number;
  /** Who moves it, for operators. */
  readonly owner: string;
  /** The last record before `to`; undefined when [from, to) holds none. */
  readonly last?: { readonly offset: number; readonly digest: string } | undefined;
};

/**
 * The fence: moves the position from exactly `from` to `to` and holds its row until COMMIT.
 *
 * @returns null when the position is not at `from`: somebody else moved on, or our own COMMIT did
 * and its reply was lost. The caller rolls back. Otherwise whether any dead letter claims an id,
 * read here to save round trips in the usual case that none does.
 */
export async function movePosition(
  tx: Transaction,
  move: PositionMove,
): Promise<{ anyClaims: boolean } | null> {
  const { rows } = await tx.query<{ any_claims: boolean }>(
    `UPDATE consumer_positions
              SET next_offset = $1, leader_epoch = $2, owner = $3, updated_at = now(),
                  last_offset = coalesce($4, last_offset),
                  last_digest = coalesce(decode($5, 'hex'), last_digest)
            WHERE topic = $6 AND log_partition = $7 AND log_id = $8 AND next_offset = $9
        RETURNING EXISTS (SELECT FROM dead_letters WHERE digest IS NOT NULL) AS any_claims`,
    [
      move.to,
      move.leaderEpoch,
      move.owner,
      move.last?.offset ?? null,
      move.last?.digest ?? null,
      move.topic,
      move.partition,
      move.logId,
      move.from,
    ],
  );
  const row = rows[0];
  return row === undefined ? null : { anyClaims: row.any_claims };
}
