/** Queries for the status of events and orders. Amounts are exact strings, times are UTC. */
import { IS_DATA_OF, selectEnvelope } from './event-columns.ts';
import type { LogPlace } from './log-place.ts';
import type { Queryable } from './queryable.ts';
import { storablePayload } from './storable-json.ts';
import { UTC } from './utc.ts';

const POSITION = `jsonb_build_object('topic', l.topic, 'log_id', e.log_id,
  'partition', e.log_partition, 'offset', e.log_offset) AS position`;

/** The ids as they were sent, and the typing. */
const TYPING = `e.event_id_text AS sent_event_id, e.order_id_text AS sent_order_id,
  d.event_type AS type, d.event_version AS version, d.data`;
const MAY_BE_ABSENT = ['sent_event_id', 'sent_order_id', 'type', 'version', 'data', 'amount_sums'];

/** SQL: amounts are exact text here as everywhere. */
const SUMS_AS_TEXT = `(SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(amount_sums))`;

const COUNTS = `
  (SELECT count(*) FROM orderonce.duplicates d WHERE d.event_id = e.event_id) AS duplicates,
  (SELECT count(*) FROM orderonce.conflicts c WHERE c.event_id = e.event_id) AS conflicts`;

/** Which of these event ids are known: of stored events, or of dead letters that decoded. */
export async function findKnownIds(db: Queryable, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ event_id: string }>(
    `SELECT event_id FROM orderonce.processed_events WHERE event_id = ANY ($1::uuid[])
     UNION ALL
     SELECT event_id FROM orderonce.dead_letter_claims WHERE event_id = ANY ($1::uuid[])`,
    [ids],
  );
  return new Set(rows.map(({ event_id }) => event_id));
}

/** An event's status, payload and position; null if it is unknown. */
export async function findEvent(db: Queryable, eventId: string): Promise<object | null> {
  const stored = await db.query(
    `SELECT 'stored' AS status, ${selectEnvelope('e')}, ${TYPING},
            encode(e.digest, 'hex') AS digest, e.request_id, ${POSITION},
            ${UTC('e.processed_at')} AS processed_at, ${COUNTS}
       FROM orderonce.processed_events e JOIN orderonce.logs l USING (log_id)
       LEFT JOIN orderonce.event_data d ON ${IS_DATA_OF('e')} WHERE e.event_id = $1`,
    [eventId],
  );
  if (stored.rows[0] !== undefined) return withoutAbsent(stored.rows[0]);
  const deadLetter = await db.query<{ payload: Buffer | null }>(
    `SELECT e.event_id, e.state AS status, e.reason, e.sqlstate, e.value AS payload,
            encode(e.digest, 'hex') AS digest, e.request_id, ${POSITION},
            ${UTC('e.parked_at')} AS parked_at, ${COUNTS}
       FROM orderonce.dead_letter_claims e JOIN orderonce.logs l USING (log_id)
      WHERE e.event_id = $1`,
    [eventId],
  );
  const [letter] = deadLetter.rows;
  return letter === undefined ? null : { ...letter, payload: storablePayload(letter.payload) };
}

/** The order as the sum of its stored events, or null. */
export async function findOrder(db: Queryable, orderId: string): Promise<object | null> {
  const { rows } = await db.query(
    `SELECT order_id, user_id, total_amount::text AS total_amount, event_count,
            amount_sum::text AS amount_sum, ${SUMS_AS_TEXT} AS amount_sums, last_event_id,
            ${UTC('first_occurred_at')} AS first_timestamp,
            ${UTC('last_occurred_at')} AS last_timestamp,
            ${UTC('updated_at')} AS updated_at
       FROM orderonce.orders WHERE order_id = $1`,
    [orderId],
  );
  return rows[0] === undefined ? null : withoutAbsent(rows[0]);
}

/** The stored events of an order behind `after`, in log order, at most `limit`. */
export async function listOrderEvents(
  db: Queryable,
  orderId: string,
  { after, limit }: { readonly after: LogPlace | undefined; readonly limit: number },
): Promise<(LogPlace & Record<string, unknown>)[]> {
  const { rows } = await db.query(
    `SELECT e.log_id AS "logId", e.log_partition AS partition, e.log_offset AS "offset",
            ${selectEnvelope('e', 'order_id')}, ${TYPING}, ${UTC('e.processed_at')} AS processed_at
       FROM orderonce.processed_events e
       LEFT JOIN orderonce.event_data d ON ${IS_DATA_OF('e')}
      WHERE e.order_id = $1
        AND ($2::int IS NULL OR (e.log_id, e.log_partition, e.log_offset) > ($2, $3::int, $4::bigint))
      ORDER BY e.log_id, e.log_partition, e.log_offset LIMIT $5`,
    [orderId, after?.logId ?? null, after?.partition ?? null, after?.offset ?? null, limit],
  );
  return rows.map(withoutAbsent);
}

/**
 * A row without the columns of what an event does not have. Such as a type; but an amount that a
 * type does not have is shown as null.
 */
function withoutAbsent<T extends Record<string, unknown>>(row: T): T {
  const present = Object.entries(row).filter(
    ([name, value]) => value !== null || !MAY_BE_ABSENT.includes(name),
  );
  return Object.fromEntries(present) as T;
}
