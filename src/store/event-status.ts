/** Queries for the status of events and orders. Amounts are exact strings, times are UTC. */
import type { LogPlace } from './log-place.ts';
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

const POSITION = `jsonb_build_object('topic', l.topic, 'log_id', e.log_id,
  'partition', e.log_partition, 'offset', e.log_offset) AS position`;

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
    `SELECT e.event_id, 'stored' AS status, e.order_id, e.user_id,
            e.total_amount::text AS total_amount, ${UTC('e.occurred_at')} AS timestamp,
            encode(e.digest, 'hex') AS digest, e.request_id, ${POSITION},
            ${UTC('e.processed_at')} AS processed_at, ${COUNTS}
       FROM orderonce.processed_events e JOIN orderonce.logs l USING (log_id) WHERE e.event_id = $1`,
    [eventId],
  );
  if (stored.rows[0] !== undefined) return stored.rows[0];
  const deadLetter = await db.query(
    `SELECT e.event_id, e.state AS status, e.reason, e.sqlstate,
            convert_from(e.value, 'UTF8')::jsonb AS payload,
            encode(e.digest, 'hex') AS digest, e.request_id, ${POSITION},
            ${UTC('e.parked_at')} AS parked_at, ${COUNTS}
       FROM orderonce.dead_letter_claims e JOIN orderonce.logs l USING (log_id)
      WHERE e.event_id = $1`,
    [eventId],
  );
  return deadLetter.rows[0] ?? null;
}

/** The order as the sum of its stored events, or null. */
export async function findOrder(db: Queryable, orderId: string): Promise<object | null> {
  const { rows } = await db.query(
    `SELECT order_id, user_id, total_amount::text AS total_amount, event_count,
            amount_sum::text AS amount_sum, last_event_id,
            ${UTC('first_occurred_at')} AS first_timestamp,
            ${UTC('last_occurred_at')} AS last_timestamp,
            ${UTC('updated_at')} AS updated_at
       FROM orderonce.orders WHERE order_id = $1`,
    [orderId],
  );
  return rows[0] ?? null;
}

/** The stored events of an order behind `after`, in log order, at most `limit`. */
export async function listOrderEvents(
  db: Queryable,
  orderId: string,
  { after, limit }: { readonly after: LogPlace | undefined; readonly limit: number },
): Promise<(LogPlace & Record<string, unknown>)[]> {
  const { rows } = await db.query(
    `SELECT log_id AS "logId", log_partition AS partition, log_offset AS "offset", event_id, user_id,
            total_amount::text AS total_amount, ${UTC('occurred_at')} AS timestamp,
            ${UTC('processed_at')} AS processed_at
       FROM orderonce.processed_events
      WHERE order_id = $1
        AND ($2::int IS NULL OR (log_id, log_partition, log_offset) > ($2, $3::int, $4::bigint))
      ORDER BY log_id, log_partition, log_offset LIMIT $5`,
    [orderId, after?.logId ?? null, after?.partition ?? null, after?.offset ?? null, limit],
  );
  return rows;
}
