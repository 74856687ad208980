/**
 * The table position_troubles: why partitions do not run. It is for operators; the consumer itself
 * relies only on its own state.
 */
import type { Queryable, Transaction } from './queryable.ts';
import { UTC } from './utc.ts';

/** Why a partition does not run. */
export type StoredTrouble = {
  readonly partition: number;
  readonly state: 'retrying' | 'waiting' | 'stopped';
  readonly code: string;
  readonly message: string;
  /** The offsets concerned, half-open; both are the position if no range is concerned. */
  readonly from: number;
  readonly to: number;
  readonly since: Date;
  readonly attempts: number;
  /** The process that wrote it. */
  readonly owner: string | null;
};

/** A trouble that was read, with the time at which its owner last wrote it (UTC). */
export type ReadTrouble = Omit<StoredTrouble, 'since'> & {
  readonly since: string;
  readonly seenAt: string;
};

/** Writes the trouble of a partition, in place of an earlier one. */
export async function noteTrouble(
  db: Queryable,
  topic: string,
  { partition, state, code, message, from, to, since, attempts, owner }: StoredTrouble,
): Promise<void> {
  await db.query(
    `INSERT INTO orderonce.position_troubles AS t
       (topic, log_partition, state, code, message, from_offset, to_offset, since, attempts, owner)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (topic, log_partition) DO UPDATE SET
       state = excluded.state, code = excluded.code, message = excluded.message,
       from_offset = excluded.from_offset, to_offset = excluded.to_offset, since = excluded.since,
       attempts = excluded.attempts, owner = excluded.owner, seen_at = now()`,
    [topic, partition, state, code, message, from, to, since, attempts, owner],
  );
}

/** Reads the troubles of a topic, by partition. */
export async function readTroubles(
  db: Queryable,
  topic: string,
): Promise<Map<number, ReadTrouble>> {
  const { rows } = await db.query<ReadTrouble>(
    `SELECT log_partition AS partition, state, code, message, from_offset AS "from",
            to_offset AS "to", ${UTC('since')} AS since, attempts, owner,
            ${UTC('seen_at')} AS "seenAt"
       FROM orderonce.position_troubles WHERE topic = $1`,
    [topic],
  );
  return new Map(rows.map((trouble) => [trouble.partition, trouble]));
}

/** Deletes the troubles of these partitions. */
export async function clearTroubles(
  db: Queryable | Transaction,
  topic: string,
  partitions: readonly number[],
): Promise<void> {
  await db.query(
    'DELETE FROM orderonce.position_troubles WHERE topic = $1 AND log_partition = ANY ($2::int[])',
    [topic, partitions],
  );
}
