/** position_troubles: why partitions stand still, for operators. The consumer's own state decides. */
import type { Queryable, Transaction } from './pool.ts';

export type StoredTrouble = {
  readonly partition: number;
  readonly code: string;
  readonly message: string;
  readonly from: number;
  readonly to: number;
};

/** Writes what is wrong now; `since` stays that of the first time. */
export async function noteTrouble(
  db: Queryable,
  topic: string,
  { partition, code, message, from, to }: StoredTrouble,
): Promise<void> {
  await db.query(
    `INSERT INTO orderonce.position_troubles AS t
       (topic, log_partition, code, message, from_offset, to_offset)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (topic, log_partition) DO UPDATE SET
       since = CASE WHEN t.code = excluded.code THEN t.since ELSE now() END, seen_at = now(),
       code = excluded.code, message = excluded.message,
       from_offset = excluded.from_offset, to_offset = excluded.to_offset`,
    [topic, partition, code, message, from, to],
  );
}

/** By partition. */
export async function readTroubles(
  db: Queryable,
  topic: string,
): Promise<Map<number, StoredTrouble>> {
  const { rows } = await db.query<StoredTrouble>(
    `SELECT log_partition AS partition, code, message, from_offset AS "from", to_offset AS "to"
       FROM orderonce.position_troubles WHERE topic = $1`,
    [topic],
  );
  return new Map(rows.map((trouble) => [trouble.partition, trouble]));
}

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
