/**
 * consumer_positions: where each partition goes on. Written only here, and moved only by
 * compare-and-set inside the transaction whose effects it accounts for (G7).
 */
import type { LogBounds } from '../log/event-log.ts';
import { bigintArray, textArray } from './binary-arrays.ts';
import type { Pool, Queryable, Transaction } from './pool.ts';
import { prepared } from './statement-names.ts';
import { inTransaction } from './transaction.ts';
import { UTC } from './utc.ts';

const LIMITS = { lockMs: 5000, statementMs: 5000, idleMs: 5000 };

export type Position = {
  readonly partition: number;
  readonly logId: number;
  /** Of the topic as the log tells it, whichever generation the log is. */
  readonly topicId: string;
  readonly startOffset: number;
  readonly nextOffset: number;
  /** The last record before nextOffset and its digest; null before the first. */
  readonly lastOffset: number | null;
  readonly lastDigest: string | null;
  /** Offsets that other partitions must have passed first: partition → next_offset. */
  readonly waitsFor: Readonly<Record<string, number>> | null;
  /** Who moved it last, while that one is at work; null once it has been handed over. */
  readonly owner: string | null;
  /** UTC, as events spell it. */
  readonly updatedAt: string;
};

/**
 * Gives every partition of a log its row. A first deployment begins at the log's start, never at
 * its end. A partition that comes later was added: an order's older events may lie in the old
 * partitions, so it waits until those have passed the ends they have now.
 *
 * Partitions that are missing from `bounds` get theirs by a later call.
 *
 * Under a lock and in one transaction: of two that start at once, the second must not take what
 * the first is about to insert for growth.
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
    // Where an older partition cannot tell its end now, one that was added comes later.
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
 * Marks these partitions as ours.
 * @returns those whose owner before us did not hand them over: it may have died in the middle of a
 * batch. One whose row somebody still holds counts among them, and is not waited for.
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

/** Hands partitions over, those that are still ours: nothing of them is under way any more. */
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

/** The added partition need not wait any more. */
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

/** Offsets of today's log that were processed under one log_id. */
export type Generation = { readonly logId: number; readonly from: number; readonly to: number };

/**
 * Under which log_id each processed offset of a partition of today's topic stands, oldest first. A
 * log that was cut went on under another one; what lay before the cut is still there, under its
 * old one.
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

/** Added partitions need not wait for one whose offsets mean something else now. */
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

/** Where an operator found a position: a change applies only while it still stands there. */
export type PositionPlace = {
  readonly topic: string;
  readonly partition: number;
  readonly logId: number;
  readonly nextOffset: number;
};

/** Passes offsets that hold nothing any more. @returns false where the position has moved. */
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
 * Ends the account of a partition in its log; what was processed there stays proven.
 * @returns false where the position has moved.
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

/** Begins the account of a partition in a log, at its first offset there. */
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

export type PositionMove = {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly leaderEpoch: number;
  /** The last record before `to`; undefined when [from, to) holds none. */
  readonly last?: { readonly offset: number; readonly digest: string } | undefined;
};

/** Whose positions move, in which log. */
export type Mover = {
  readonly topic: string;
  readonly logId: number;
  /** Who moves them, for operators. */
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
 * The fence: moves each position from exactly `from` to `to` and holds its row until COMMIT.
 *
 * @param moves of different partitions, at least one.
 * @returns which moved: a position that is not at its `from` was moved by somebody else, or by our
 * own COMMIT whose reply was lost; then the caller rolls back. And whether any dead letter claims
 * an id, read here to save round trips in the usual case that none does.
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
