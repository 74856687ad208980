/** dead_letters, read and changed by operators; inserted by the heart (dead-letters.ts). */
import type { Queryable, Transaction } from './pool.ts';

/** Where a dead letter lay in the log: its primary key. */
export type LetterPlace = {
  readonly logId: number;
  readonly partition: number;
  readonly offset: number;
};

export type LetterState = 'parked' | 'waiting' | 'discarded';

export type StoredLetter = LetterPlace & {
  readonly eventId: string | null;
  readonly orderId: string | null;
  /** Hex; null where the record did not decode: then it claims no id. */
  readonly digest: string | null;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [string | null, string | null])[];
  readonly state: LetterState;
  readonly reason: string;
  readonly detail: unknown;
  readonly sqlState: string | null;
  readonly attempts: number;
  readonly appendedAt: Date | null;
  readonly parkedAt: Date;
  readonly updatedAt: Date;
};

const COLUMNS = `log_id AS "logId", log_partition AS partition, log_offset AS "offset",
  event_id AS "eventId", order_id AS "orderId", encode(digest, 'hex') AS digest, key, value, headers,
  state, reason, detail, sqlstate AS "sqlState", attempts, appended_at AS "appendedAt",
  parked_at AS "parkedAt", updated_at AS "updatedAt"`;
const PLACE = 'log_id = $1 AND log_partition = $2 AND log_offset = $3';
const placeOf = ({ logId, partition, offset }: LetterPlace) => [logId, partition, offset];

export async function findLetter(db: Queryable, place: LetterPlace): Promise<StoredLetter | null> {
  const sql = `SELECT ${COLUMNS} FROM dead_letters WHERE ${PLACE}`;
  return (await db.query<StoredLetter>(sql, placeOf(place))).rows[0] ?? null;
}

/** Locks it until COMMIT. Lock the order's held row first. */
export async function lockLetter(
  tx: Transaction,
  place: LetterPlace,
): Promise<StoredLetter | null> {
  const sql = `SELECT ${COLUMNS} FROM dead_letters WHERE ${PLACE} FOR UPDATE`;
  return (await tx.query<StoredLetter>(sql, placeOf(place))).rows[0] ?? null;
}

export type LetterFilter = {
  readonly state?: LetterState;
  readonly reason?: string;
  readonly eventId?: string;
  readonly orderId?: string;
  /** Only behind this place, in the order of the list. */
  readonly after?: LetterPlace;
  readonly limit: number;
};

/** In log order. */
export async function listLetters(db: Queryable, filter: LetterFilter): Promise<StoredLetter[]> {
  const { after } = filter;
  const { rows } = await db.query<StoredLetter>(
    `SELECT ${COLUMNS} FROM dead_letters
      WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR reason = $2)
        AND ($3::uuid IS NULL OR event_id = $3) AND ($4::uuid IS NULL OR order_id = $4)
        AND ($5::int IS NULL OR (log_id, log_partition, log_offset) > ($5, $6::int, $7::bigint))
      ORDER BY log_id, log_partition, log_offset LIMIT $8`,
    [
      filter.state ?? null,
      filter.reason ?? null,
      filter.eventId ?? null,
      filter.orderId ?? null,
      after?.logId ?? null,
      after?.partition ?? null,
      after?.offset ?? null,
      filter.limit,
    ],
  );
  return rows;
}

export type LetterGroup = {
  readonly state: LetterState;
  readonly reason: string;
  readonly sqlState: string | null;
  readonly count: number;
};

export async function groupLetters(db: Queryable): Promise<LetterGroup[]> {
  const { rows } = await db.query<LetterGroup>(
    `SELECT state, reason, sqlstate AS "sqlState", count(*) AS count FROM dead_letters
      GROUP BY state, reason, sqlstate ORDER BY count DESC, reason`,
  );
  return rows;
}

/** The first of an order's queue (parked and waiting ones) in this partition, or null. */
export async function headOfQueue(
  db: Queryable,
  orderId: string,
  { logId, partition }: LetterPlace,
): Promise<LetterPlace | null> {
  const { rows } = await db.query<LetterPlace>(
    `SELECT log_id AS "logId", log_partition AS partition, log_offset AS "offset"
       FROM dead_letters
      WHERE order_id = $1 AND digest IS NOT NULL AND state IN ('parked', 'waiting')
        AND log_id = $2 AND log_partition = $3
      ORDER BY log_offset LIMIT 1`,
    [orderId, logId, partition],
  );
  return rows[0] ?? null;
}

export async function deleteLetter(tx: Transaction, place: LetterPlace): Promise<void> {
  await tx.query(`DELETE FROM dead_letters WHERE ${PLACE}`, placeOf(place));
}

export async function discardLetter(tx: Transaction, place: LetterPlace): Promise<void> {
  await tx.query(
    `UPDATE dead_letters SET state = 'discarded', updated_at = now() WHERE ${PLACE}`,
    placeOf(place),
  );
}

/** It failed again: parked, also where it only waited before. */
export async function noteFailure(
  tx: Transaction,
  place: LetterPlace,
  { reason, message, sqlState }: { reason: string; message: string; sqlState: string | undefined },
): Promise<void> {
  await tx.query(
    `UPDATE dead_letters SET state = 'parked', attempts = attempts + 1, reason = $4,
            detail = jsonb_build_object('message', $5::text), sqlstate = $6, updated_at = now()
      WHERE ${PLACE}`,
    [...placeOf(place), reason, message, sqlState ?? null],
  );
}

export type AuditEntry = {
  readonly actor: string;
  readonly action: 'redrive' | 'discard';
  readonly outcome: string;
  readonly eventId: string | null;
  readonly detail?: string;
};

export async function writeAudit(
  tx: Transaction,
  place: LetterPlace,
  { actor, action, outcome, eventId, detail }: AuditEntry,
): Promise<void> {
  await tx.query(
    `INSERT INTO dead_letter_audit
       (log_id, log_partition, log_offset, actor, action, outcome, event_id, detail)
     VALUES ($1, $2, $3, $4, $5, $6, $7, to_jsonb($8::text))`,
    [...placeOf(place), actor, action, outcome, eventId, detail ?? null],
  );
}
