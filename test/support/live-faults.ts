/** What is planted in the tables beside running consumers, and what the continuous proof says of it. */

const ANY = '(SELECT event_id FROM processed_events ORDER BY random() LIMIT 1)';
/** One that gets no more events, neither from the log nor from a redrive. */
const ANY_ORDER = `(SELECT order_id FROM orders o WHERE event_count > 1
   AND updated_at < now() - interval '8 s'
   AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.order_id = o.order_id)
 ORDER BY random() LIMIT 1)`;
const PLACE = '(log_id, log_partition, log_offset)';
const RANGE = `log_id || '/' || log_partition || '/' || log_offset || '-' || log_offset`;
/**
 * What is planted, and the kind of finding. Each statement returns the subject of the finding, or its
 * beginning.
 */
export const LIVE_FAULTS: readonly (readonly [title: string, kind: string, sql: string])[] = [
  [
    'an altered user',
    'altered',
    `UPDATE processed_events SET user_id = 'x' WHERE event_id = ${ANY}
     RETURNING event_id::text AS subject`,
  ],
  [
    'an event, digest and order replaced',
    'changed',
    `UPDATE processed_events SET digest = sha256(digest) WHERE event_id = ${ANY}
     RETURNING log_id || '/' || log_partition || '/%' AS subject`,
  ],
  [
    'a deleted event',
    'hole',
    `DELETE FROM processed_events WHERE event_id = ${ANY}
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'a deleted duplicate',
    'hole',
    `DELETE FROM duplicates WHERE ${PLACE} = (SELECT log_id, log_partition, log_offset FROM duplicates ORDER BY random() LIMIT 1)
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'a doubled outcome',
    'overlap',
    `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
     SELECT log_id, log_partition, log_offset, event_id FROM processed_events WHERE event_id = ${ANY}
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'an outcome in a log without a position',
    'unowned',
    `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id) SELECT 77, 0, 5, ${ANY}
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'an event in a log without a position',
    'unowned',
    `INSERT INTO processed_events SELECT gen_random_uuid(), order_id, user_id, total_amount, occurred_at,
       digest, 78, 0, 5 FROM processed_events WHERE event_id = ${ANY}
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'a gap that was widened',
    'overlap',
    `UPDATE log_gaps SET to_offset = to_offset + 1 WHERE ctid = (SELECT ctid FROM log_gaps ORDER BY noted_at LIMIT 1)
     RETURNING log_id || '/' || log_partition || '/%' AS subject`,
  ],
  [
    'a dead letter that nobody discarded',
    'unexplained',
    `UPDATE dead_letters SET state = 'discarded' WHERE ${PLACE} = (SELECT log_id, log_partition, log_offset
       FROM dead_letters WHERE state = 'parked' AND digest IS NULL LIMIT 1)
     RETURNING coalesce(event_id::text, concat_ws('/', log_id, log_partition, log_offset)) AS subject`,
  ],
  [
    'a conflict of a payload with itself',
    'unexplained',
    `UPDATE conflicts SET digest = first_digest WHERE ${PLACE} = (SELECT log_id, log_partition, log_offset FROM conflicts LIMIT 1)
     RETURNING event_id::text AS subject`,
  ],
  [
    'a message of an event that took no effect',
    'orphan',
    `INSERT INTO outbox (message_id, shard, topic, key, headers, event_id, handler, n, published_at)
     VALUES (gen_random_uuid(), 0, 't', '', '{}', gen_random_uuid(), 'h', 0, now())
     RETURNING message_id::text AS subject`,
  ],
  [
    'a duplicate of nothing',
    'orphan',
    `UPDATE duplicates SET event_id = gen_random_uuid() WHERE ${PLACE} = (SELECT log_id, log_partition, log_offset FROM duplicates LIMIT 1)
     RETURNING event_id::text AS subject`,
  ],
  [
    'an effect off by one',
    'effect',
    `UPDATE orders SET event_count = event_count + 1 WHERE order_id = ${ANY_ORDER}
     RETURNING order_id::text AS subject`,
  ],
  [
    'an effect off by a ten-thousandth',
    'effect',
    `UPDATE orders SET amount_sum = amount_sum + 0.0001 WHERE order_id = ${ANY_ORDER}
     RETURNING order_id::text AS subject`,
  ],
  [
    'an order that nobody asked for',
    'effect',
    `INSERT INTO orders SELECT gen_random_uuid(), user_id, total_amount, event_count, amount_sum, last_event_id,
       first_occurred_at, last_occurred_at, last_log_id, last_log_partition, last_log_offset FROM orders LIMIT 1
     RETURNING order_id::text AS subject`,
  ],
  [
    'a lost order',
    'effect',
    `DELETE FROM orders WHERE order_id = (SELECT order_id FROM orders WHERE event_count = 1 LIMIT 1)
     RETURNING order_id::text AS subject`,
  ],
  [
    'an order that shows another event',
    'last event',
    `UPDATE orders o SET last_event_id = p.event_id, last_log_offset = p.log_offset, user_id = p.user_id
       FROM processed_events p WHERE o.order_id = ${ANY_ORDER} AND p.order_id = o.order_id AND p.event_id <> o.last_event_id
     RETURNING o.order_id::text AS subject`,
  ],
  [
    'an id that is stored and parked',
    'claimed twice',
    `INSERT INTO dead_letters (log_id, log_partition, log_offset, event_id, digest, state, reason)
     SELECT 79, 0, 5, event_id, digest, 'discarded', 'x' FROM processed_events WHERE event_id = ${ANY}
     RETURNING event_id::text AS subject`,
  ],
  [
    'a held order with nothing parked',
    'held order',
    `INSERT INTO held_orders (order_id) VALUES (gen_random_uuid())
     RETURNING order_id::text AS subject`,
  ],
  [
    'an outcome past the position',
    'ahead',
    `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
     SELECT log_id, log_partition, next_offset + 1000000, ${ANY} FROM consumer_positions LIMIT 1
     RETURNING log_id || '/' || log_partition || '/%' AS subject`,
  ],
  [
    'a skipped offset',
    'hole',
    `UPDATE consumer_positions SET next_offset = next_offset + 1 WHERE log_partition = 0
     RETURNING log_id || '/' || log_partition || '/%' AS subject`,
  ],
];
