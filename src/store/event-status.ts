/** Where is event X? Reads for the status pages; amounts as exact strings. */
import type { Queryable } from './pool.ts';

const TIME = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const POSITION = `jsonb_build_object('topic', l.topic, 'log_id', e.log_id,
  'partition', e.log_partition, 'offset', e.log_offset) AS position`;

const COUNTS = `
  (SELECT count(*) FROM duplicates d WHERE d.event_id = e.event_id) AS duplicates,
  (SELECT count(*) FROM conflicts c WHERE c.event_id = e.event_id) AS conflicts`;

/** The event's status, payload and position, or null while it is unknown. */
export async function findEvent(db: Queryable, eventId: string): Promise<object | null> {
  const stored = await db.query(
    `SELECT e.event_id, 'stored' AS status, e.order_id, e.user_id,
            e.total_amount::text AS total_amount, ${TIME('e.occurred_at')} AS timestamp,
            encode(e.digest, 'hex') AS digest, ${POSITION},
            ${TIME('e.processed_at')} AS processed_at, ${COUNTS}
       FROM processed_events e JOIN logs l USING (log_id) WHERE e.event_id = $1`,
    [eventId],
  );
  if (stored.rows[0] !== undefined) return stored.rows[0];
  const aside = await db.query(
    `SELECT e.event_id, e.state AS status, e.reason, e.sqlstate,
            convert_from(e.value, 'UTF8')::jsonb AS payload,
            encode(e.digest, 'hex') AS digest, ${POSITION},
            ${TIME('e.parked_at')} AS parked_at, ${COUNTS}
       FROM dead_letters e JOIN logs l USING (log_id)
      WHERE e.event_id = $1 AND e.digest IS NOT NULL`,
    [eventId],
  );
  return aside.rows[0] ?? null;
}

/** The order as its events made it, or null. */
export async function findOrder(db: Queryable, orderId: string): Promise<object | null> {
  const { rows } = await db.query(
    `SELECT order_id, user_id, total_amount::text AS total_amount, event_count,
            amount_sum::text AS amount_sum, last_event_id,
            ${TIME('first_occurred_at')} AS first_timestamp,
            ${TIME('last_occurred_at')} AS last_timestamp,
            ${TIME('updated_at')} AS updated_at
       FROM orders WHERE order_id = $1`,
    [orderId],
  );
  return rows[0] ?? null;
}
