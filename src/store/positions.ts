/**
 * The table consumer_positions: the next offset to process of each partition. Only this file and
 * position-decisions.ts write it. Processing moves a position only by compare-and-set, in the
 * transaction that has the effects of the records before it (G7).
 */
import type { LogBounds } from '../log/event-log.ts';
import { bigintArray, textArray } from './binary-arrays.ts';
import type { Pool } from './pool.ts';
import type { Queryable, Transaction } from './queryable.ts';
import { prepared } from './statement-names.ts';
import { inTransaction } from './transaction.ts';
import { UTC } from './utc.ts';

const LIMITS = { lockMs: 5000, statementMs: 5000, idleMs: 5000 };

/** The position of a partition. */
export type Position = {
  readonly partition: number;
  readonly logId: number;
  /** The topic's id in the log, without the suffix of a generation; see `insertGeneration`. */
  readonly topicId: string;
  /** The first offset of this account. */
  readonly startOffset: number;
  /** The next offset to process. */
  readonly nextOffset: number;
  /** The last record before nextOffset and its digest (hex); null before the first record. */
  readonly lastOffset: number | null;
  readonly lastDigest: string | null;
  /** Positions that other partitions must reach before this one starts: partition → next_offset. */
  readonly waitsFor: Readonly<Record<string, number>> | null;
  /** The process that has the partition; null once that process has released it. */
  readonly owner: string | null;
  /** UTC, in the form of an event's timestamp. */
  readonly updatedAt: string;
};

/**
 * Creates a position for every partition that has none. A first deployment begins at the start of
 * the log, never at its end. A partition without a position in a deployment that has others was
 * added to the topic. Older events of its orders may lie in the older partitions, so it waits until
 * those have passed the ends that they have now.
 *
 * This runs under a lock. Otherwise, of two consumers that start a first deployment at the same
 * time, the second might take the partitions that the first has not inserted yet for added ones.
 *
 * @param bounds of the partitions, as far as they are known. The others get a position in a later
 * call.
 */
export async function ensurePositions(
  pool: Pool,
  topic: string,
  logId: number,
  bounds: ReadonlyMap<number, LogBounds>,
): Promise<void> {
  await inTransaction(pool, LIMITS, async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`orderonce positions ${topic}`]);
    const known = new Set((await readPositions(tx, topic)).map(({ partition }) => partition));
    const missing = [...bounds].filter(([partition]) => !known.has(partition));
    const ends = [...bounds].filter(([partition]) => known.has(partition));
    // An added partition is created later if the end of an older one is not known now.
    if (missing.length === 0 || ends.length < known.size) return;
    const waitsFor = Object.fromEntries(ends.map(([partition, { end }]) => [partition, end]));
    await tx.query(
      `INSERT INTO orderonce.consumer_positions
         (topic, log_id, log_partition, next_offset, start_offset, waits_for)
       SELECT $1, $2, partition, start, start, $5
         FROM unnest($3::int[], $4::bigint[]) AS missing (partition, start)`,
      [
        topic,
        logId,
        missing.map(([partition]) => partition),
        missing.map(([, { start }]) => start),
        known.size === 0 ? null : JSON.stringify(waitsFor),
      ],
    );
  });
}

/** All positions of a topic, by partition. */
export async function readPositions(db: Queryable, topic: string): Promise<Position[]> {
  const { rows } = await db.query(
    `SELECT p.log_partition AS partition, p.log_id AS "logId",
            split_part(l.topic_id, '#', 1) AS "topicId", p.start_offset AS "startOffset",
            p.next_offset AS "nextOffset", p.last_offset AS "lastOffset",
            encode(p.last_digest, 'hex') AS "lastDigest", p.waits_for AS "waitsFor", p.owner,
            ${UTC('p.updated_at')} AS "updatedAt"
       FROM orderonce.consumer_positions p JOIN orderonce.logs l USING (log_id)
      WHERE p.topic = $1 ORDER BY p.log_partition`,
    [topic],
  );
  return rows;
}

/**
 * Marks these partitions as owned by this process.
 * @returns the partitions that the previous owner did not release. It may have died in the middle
 * of a batch. A partition whose row is locked counts as such, and is not waited for.
 */
export async function takePositions(
  db: Queryable,
  topic: string,
  partitions: readonly number[],
  owner: string,
): Promise<Set<number>> {
  const { rows } = await db.query<{ partition: number }>(
    `WITH before AS (
       SELECT log_partition, owner FROM orderonce.consumer_positions
        WHERE topic = $1 AND log_partition = ANY ($2::int[])
        ORDER BY log_partition FOR UPDATE SKIP LOCKED
     ), taken AS (
       UPDATE orderonce.consumer_positions p SET owner = $3 FROM before b
        WHERE p.topic = $1 AND p.log_partition = b.log_partition
     )
     SELECT log_partition AS partition FROM before WHERE owner IS NULL`,
    [topic, partitions, owner],
  );
  const handedOver = new Set(rows.map(({ partition }) => partition));
  return new Set(partitions.filter((partition) => !handedOver.has(partition)));
}

/**
 * Releases those of these partitions that `owner` still owns. It must have no batch of them
 * running.
 */
export async function releasePositions(
  db: Queryable,
  topic: string,
  partitions: readonly number[],
  owner: string,
): Promise<void> {
  await db.query(
    `UPDATE orderonce.consumer_positions SET owner = NULL
      WHERE topic = $1 AND log_partition = ANY ($2::int[]) AND owner = $3`,
    [topic, partitions, owner],
  );
}

/** Writes that an added partition no longer waits for others. */
export async function clearWaitsFor(
  db: Queryable,
  topic: string,
  partition: number,
): Promise<void> {
  await db.query(
    'UPDATE orderonce.consumer_positions SET waits_for = NULL WHERE topic = $1 AND log_partition = $2',
    [topic, partition],
  );
}

/** Offsets of the current log, [from, to), that were processed under one log_id. */
export type Generation = { readonly logId: number; readonly from: number; readonly to: number };

/**
 * Finds under which log_id each processed offset of a partition is recorded, oldest first. A log
 * that was cut continues under another log_id; the offsets before the cut keep the older one.
 */
export async function readGenerations(
  db: Queryable,
  topic: string,
  { partition, topicId, logId, startOffset, nextOffset }: Position,
): Promise<Generation[]> {
  const { rows } = await db.query<Generation>(
    `SELECT c.log_id AS "logId", c.start_offset AS "from", c.next_offset AS "to"
       FROM orderonce.closed_positions c JOIN orderonce.logs l USING (log_id)
      WHERE c.topic = $1 AND c.log_partition = $2 AND split_part(l.topic_id, '#', 1) = $3
      ORDER BY c.log_id DESC`,
    [topic, partition, topicId],
  );
  const generations: Generation[] = [{ logId, from: startOffset, to: nextOffset }];
  let limit = startOffset;
  for (const { logId: older, from, to } of rows) {
    if (from < limit) generations.unshift({ logId: older, from, to: Math.min(to, limit) });
    limit = Math.min(limit, from);
  }
  return generations;
}

/** The position of a partition moves from exactly `from` to `to`. */
export type PositionMove = {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly leaderEpoch: number;
  /** The last record before `to`; undefined when [from, to) holds none. */
  readonly last?: { readonly offset: number; readonly digest: string } | undefined;
};

/** The log whose positions move, and who moves them. */
export type Mover = {
  readonly topic: string;
  readonly logId: number;
  /** This process. Operators see it, and it marks the partition as not released. */
  readonly owner: string;
};

const MOVE = prepared(`UPDATE orderonce.consumer_positions p
       SET next_offset = m.to_offset, leader_epoch = coalesce(nullif(m.leader_epoch, -1), p.leader_epoch),
           owner = $3,
           updated_at = CASE WHEN m.to_offset > m.from_offset THEN now() ELSE p.updated_at END,
           last_offset = coalesce(m.last_offset, p.last_offset),
           last_digest = coalesce(decode(m.last_digest, 'hex'), p.last_digest)
      FROM unnest($4::int[], $5::bigint[], $6::bigint[], $7::int[], $8::bigint[], $9::text[])
        AS m (log_partition, from_offset, to_offset, leader_epoch, last_offset, last_digest)
     WHERE p.topic = $1 AND p.log_id = $2
       AND p.log_partition = m.log_partition AND p.next_offset = m.from_offset
 RETURNING p.log_partition AS partition,
           EXISTS (SELECT FROM orderonce.dead_letter_claims) AS any_claims`);

/**
 * The fence: moves each position from exactly `from` to `to`, and locks its row until COMMIT.
 *
 * @param moves of different partitions, at least one.
 * @returns `moved`: the partitions that moved. A position that is not at its `from` was moved by
 * another consumer, or by a COMMIT of ours whose reply was lost; the caller must then roll back.
 * `anyClaims`: whether any dead letter has taken an event id. It is read here because usually none
 * has, and then the caller need not look for any.
 */
export async function movePositions(
  tx: Transaction,
  { topic, logId, owner }: Mover,
  moves: readonly PositionMove[],
): Promise<{ moved: ReadonlySet<number>; anyClaims: boolean }> {
  const { rows } = await tx.query<{ partition: number; any_claims: boolean }>(MOVE, [
    topic,
    logId,
    owner,
    moves.map(({ partition }) => partition),
    moves.map(({ from }) => from),
    moves.map(({ to }) => to),
    moves.map(({ leaderEpoch }) => leaderEpoch),
    bigintArray(moves.map(({ last }) => last?.offset ?? null)),
    textArray(moves.map(({ last }) => last?.digest ?? null)),
  ]);
  return {
    moved: new Set(rows.map(({ partition }) => partition)),
    anyClaims: rows[0]?.any_claims === true,
  };
}
