/** The table dead_letters, as operators read and change it. dead-letters.ts inserts its rows. */
import type { LogPlace } from './log-place.ts';
import type { Queryable, Transaction } from './queryable.ts';
import { toStorableJson } from './storable-json.ts';
import { UTC } from './utc.ts';

export type DeadLetterState = 'parked' | 'waiting' | 'discarded';

/** A dead letter as lists show it: without its bytes, which may be a megabyte. */
export type ListedDeadLetter = LogPlace & {
  readonly eventId: string | null;
  readonly orderId: string | null;
  /** Hex. Null if the record did not decode; then it has not taken its event id. */
  readonly digest: string | null;
  readonly state: DeadLetterState;
  readonly reason: string;
  /** What the messages of one cause have in common: without ids, numbers and quoted values. */
  readonly shape: string;
  readonly detail: unknown;
  readonly sqlState: string | null;
  readonly attempts: number;
  /** This and the next two are UTC, in the form of an event's timestamp. */
  readonly appendedAt: string | null;
  readonly parkedAt: string;
  readonly updatedAt: string;
};

/** A dead letter with its bytes. */
export type StoredDeadLetter = ListedDeadLetter & {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Names and values in base64. */
  readonly headers: readonly (readonly [string | null, string | null])[];
};

/** The columns of a ListedDeadLetter. */
export const LISTED = `log_id AS "logId", log_partition AS partition, log_offset AS "offset",
  event_id AS "eventId", order_id AS "orderId", encode(digest, 'hex') AS digest, state, reason, shape, detail,
  sqlstate AS "sqlState", attempts, ${UTC('appended_at')} AS "appendedAt",
  ${UTC('parked_at')} AS "parkedAt", ${UTC('updated_at')} AS "updatedAt"`;
const COLUMNS = `${LISTED}, key, value, headers`;
const PLACE = 'log_id = $1 AND log_partition = $2 AND log_offset = $3';
const IS_UNKNOWN = `state = 'parked' AND reason IN ('unknown_type', 'unknown_version')`;
const placeParameters = ({ logId, partition, offset }: LogPlace) => [logId, partition, offset];

export async function findDeadLetter(
  db: Queryable,
  place: LogPlace,
): Promise<StoredDeadLetter | null> {
  const sql = `SELECT ${COLUMNS} FROM orderonce.dead_letters WHERE ${PLACE}`;
  return (await db.query<StoredDeadLetter>(sql, placeParameters(place))).rows[0] ?? null;
}

/**
 * Reads a dead letter and locks its row until COMMIT. The caller must have locked the order's row
 * in held_orders before, or it may deadlock with another redrive.
 */
export async function lockDeadLetter(
  tx: Transaction,
  place: LogPlace,
): Promise<StoredDeadLetter | null> {
  const sql = `SELECT ${COLUMNS} FROM orderonce.dead_letters WHERE ${PLACE} FOR UPDATE`;
  return (await tx.query<StoredDeadLetter>(sql, placeParameters(place))).rows[0] ?? null;
}

export type DeadLetterFilter = {
  readonly state?: DeadLetterState | undefined;
  readonly reason?: string | undefined;
  readonly eventId?: string | undefined;
  readonly orderId?: string | undefined;
  /** Only dead letters behind this place. */
  readonly after?: LogPlace | undefined;
  readonly limit: number;
};

/** The dead letters that match, in log order, at most `limit`. */
export async function listDeadLetters(
  db: Queryable,
  filter: DeadLetterFilter,
): Promise<ListedDeadLetter[]> {
  const { after } = filter;
  // Only dead letters that decoded have an order_id, and the index on it covers only these.
  const table =
    filter.orderId === undefined ? 'orderonce.dead_letters' : 'orderonce.dead_letter_claims';
  const { rows } = await db.query<ListedDeadLetter>(
    `SELECT ${LISTED} FROM ${table}
      WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR reason = $2)
        AND ($3::uuid IS NULL OR event_id = $3)
        AND ($4::uuid IS NULL OR order_id = $4)
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

/**
 * The first dead letter of an order's queue, which has its parked and waiting events; or null.
 * Within a partition the queue is in log order. An order may lie in several partitions or logs,
 * after its topic has grown, was cut or was re-created. Then the first of the oldest log counts,
 * and within a log the one that became a dead letter first. Within a partition only offsets are
 * compared, because times go wrong when a clock is set back.
 *
 * @param asked a dead letter that counts as one of the queue, even if it did not decode.
 */
export async function headOfQueue(
  db: Queryable,
  orderId: string,
  asked?: LogPlace,
): Promise<LogPlace | null> {
  const { rows } = await db.query<LogPlace>(
    `SELECT log_id AS "logId", log_partition AS partition, log_offset AS "offset" FROM (
       SELECT DISTINCT ON (log_id, log_partition) log_id, log_partition, log_offset, parked_at
         FROM (SELECT log_id, log_partition, log_offset, parked_at
                 FROM orderonce.dead_letter_claims
                WHERE order_id = $1 AND state IN ('parked', 'waiting')
               UNION
               SELECT log_id, log_partition, log_offset, parked_at FROM orderonce.dead_letters
                WHERE log_id = $2 AND log_partition = $3 AND log_offset = $4) queue
        ORDER BY log_id, log_partition, log_offset) firsts
      ORDER BY log_id, parked_at, log_partition LIMIT 1`,
    [orderId, asked?.logId ?? null, asked?.partition ?? null, asked?.offset ?? null],
  );
  return rows[0] ?? null;
}

/**
 * Orders whose queue begins with a waiting event: the process that redrove or discarded the event
 * before it ended before those behind it had followed.
 * @param orderId only this one; undefined for all.
 * @param after the last order of the page before.
 */
export async function findInterruptedQueues(
  db: Queryable,
  { orderId, after, limit }: { orderId?: string | undefined; after?: string; limit: number },
): Promise<string[]> {
  const { rows } = await db.query<{ order_id: string }>(
    `SELECT DISTINCT w.order_id FROM orderonce.dead_letter_claims w
      WHERE w.state = 'waiting' AND ($1::uuid IS NULL OR w.order_id = $1)
        AND ($2::uuid IS NULL OR w.order_id > $2)
        AND NOT EXISTS (SELECT FROM orderonce.dead_letter_claims p
                         WHERE p.order_id = w.order_id AND p.state = 'parked')
      ORDER BY w.order_id LIMIT $3`,
    [orderId ?? null, after ?? null, limit],
  );
  return rows.map(({ order_id }) => order_id);
}

export async function deleteDeadLetter(tx: Transaction, place: LogPlace): Promise<void> {
  await tx.query(`DELETE FROM orderonce.dead_letters WHERE ${PLACE}`, placeParameters(place));
}

export async function discardDeadLetter(tx: Transaction, place: LogPlace): Promise<void> {
  await tx.query(
    `UPDATE orderonce.dead_letters SET state = 'discarded', updated_at = now() WHERE ${PLACE}`,
    placeParameters(place),
  );
}

/** Writes that a redrive failed. The dead letter is parked now, even if it was waiting before. */
export async function noteFailure(
  tx: Transaction,
  place: LogPlace,
  { reason, detail, sqlState }: { reason: string; detail: object; sqlState: string | undefined },
): Promise<void> {
  await tx.query(
    `UPDATE orderonce.dead_letters SET state = 'parked', attempts = attempts + 1, reason = $4,
            detail = $5::jsonb, sqlstate = $6, updated_at = now()
      WHERE ${PLACE}`,
    [...placeParameters(place), reason, toStorableJson(detail), sqlState ?? null],
  );
}

export type AuditEntry = {
  readonly actor: string;
  readonly action: 'redrive' | 'discard' | 'edit';
  readonly outcome: string;
  readonly eventId: string | null;
  readonly detail?: string | undefined;
  /** The canonical JSON of an edit and its digest. The original is read from the dead letter. */
  readonly edited?: { readonly json: string; readonly digest: string } | undefined;
  /** The job that does it, if it is one. */
  readonly redriveId?: number | undefined;
};

/**
 * Writes the audit of an action. Call it before deleteDeadLetter(), since an edit copies the bytes.
 */
export async function writeAudit(
  tx: Transaction,
  place: LogPlace,
  { actor, action, outcome, eventId, detail, edited, redriveId }: AuditEntry,
): Promise<void> {
  await tx.query(
    `INSERT INTO orderonce.dead_letter_audit (log_id, log_partition, log_offset, actor, action, outcome,
       event_id, detail, original_value, edited_payload, edited_digest, redrive_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, to_jsonb($8::text),
             (SELECT value FROM orderonce.dead_letters WHERE ${PLACE} AND $9::jsonb IS NOT NULL),
             $9, decode($10, 'hex'), $11)`,
    [
      ...placeParameters(place),
      actor,
      action,
      outcome,
      eventId,
      detail ?? null,
      edited?.json ?? null,
      edited?.digest ?? null,
      redriveId ?? null,
    ],
  );
}

/** A parked event that its deployment did not know, with what it says about its type. */
export type UnknownEvent = LogPlace & {
  /** null: the event has no type, and the deployment refused such events. */
  readonly type: string | null;
  readonly version: number | null;
};

/** The types and versions of parked events that a deployment did not know when it parked them. */
export async function listUnknownTypes(
  db: Queryable,
): Promise<Pick<UnknownEvent, 'type' | 'version'>[]> {
  const { rows } = await db.query<Pick<UnknownEvent, 'type' | 'version'>>(
    `SELECT DISTINCT detail->>'event_type' AS type, (detail->>'event_version')::int AS version
       FROM orderonce.dead_letters WHERE ${IS_UNKNOWN}`,
  );
  return rows;
}

/** Parked events of a type that was unknown, in log order, at most `limit`. */
export async function listUnknownEvents(
  db: Queryable,
  { type, version }: Pick<UnknownEvent, 'type' | 'version'>,
  limit: number,
): Promise<LogPlace[]> {
  const { rows } = await db.query<LogPlace>(
    `SELECT log_id AS "logId", log_partition AS partition, log_offset AS "offset"
       FROM orderonce.dead_letters
      WHERE ${IS_UNKNOWN} AND detail->>'event_type' IS NOT DISTINCT FROM $1::text
        AND (detail->>'event_version')::int IS NOT DISTINCT FROM $2::int
      ORDER BY log_id, log_partition, log_offset LIMIT $3`,
    [type, version, limit],
  );
  return rows;
}

/** An entry may hold two payloads, each of up to EVENT_BYTES_MAX. */
const AUDIT_MAX = 100;

/** The newest actions on a dead letter, oldest first. The dead letter itself may no longer exist. */
export async function readAudit(db: Queryable, place: LogPlace): Promise<object[]> {
  const { rows } = await db.query(
    `SELECT ${UTC('at')} AS at, actor, action, outcome, event_id, detail,
            encode(original_value, 'base64') AS original_value_base64, edited_payload
       FROM orderonce.dead_letter_audit WHERE ${PLACE} ORDER BY audit_id DESC LIMIT ${AUDIT_MAX}`,
    placeParameters(place),
  );
  return rows.reverse();
}
