/** An account with every kind of outcome, and what can be wrong with it: verify and the proof share them. */
import type { TestContext } from 'node:test';
import { processBatch } from '../../src/inbox/process-batch.ts';
import { sliceOfEvents, wireEvent } from './events.ts';
import { processAll, setUpHeart } from './heart.ts';

/** Two partitions that together have every kind of outcome. */
export async function setUpAccount(t: TestContext) {
  const { pool, context } = await setUpHeart(t);
  await pool.query('ALTER TABLE processed_events ADD CONSTRAINT small CHECK (total_amount < 500)');
  const first = wireEvent({ total_amount: '99.9999', timestamp: '9999-12-31T23:59:59.999999Z' });
  const big = wireEvent({ total_amount: '666' });
  const events = [
    first,
    wireEvent({ order_id: first.order_id, user_id: 'O’Brien\n\u{1f600}' }),
    first,
    { ...first, user_id: 'other' },
    'garbage',
    big,
    wireEvent({ order_id: big.order_id }),
    wireEvent(),
  ];
  await processAll(context, sliceOfEvents(0, events));
  const gaps = [{ from: 1, to: 4, reason: 'aborted' as const }];
  const slice = { ...sliceOfEvents(0, [wireEvent()], 1), next: 4, gaps };
  await processBatch(context, slice);
  return { pool, context, first };
}

/** By title: what plants it, and what is found: kind and place, or kind and message. */
export const FAULTS: Readonly<Record<string, readonly [sql: string, finding: RegExp]>> = {
  'a deleted row': ['DELETE FROM processed_events WHERE log_offset = 1', /hole 0 1-2/],
  'the last row of a partition, deleted': [
    'DELETE FROM processed_events WHERE log_offset = 7',
    /hole 0 7-8/,
  ],
  'all rows of a partition, deleted': [
    'DELETE FROM processed_events WHERE log_partition = 1; DELETE FROM log_gaps',
    /hole 1 0-4/,
  ],
  'a doubled outcome': [
    `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
     SELECT log_id, log_partition, log_offset, event_id FROM processed_events WHERE log_offset = 1`,
    /overlap 0 1-2/,
  ],
  'a skipped offset': ['UPDATE consumer_positions SET next_offset = next_offset + 1', /hole 0 8-9/],
  'an outcome past the position': [
    'UPDATE consumer_positions SET next_offset = 7 WHERE log_partition = 0',
    /ahead 0 7-8/,
  ],
  'outcomes in a log that has no position': ['UPDATE duplicates SET log_id = 7', /unowned 0 2-3/],
  'a gap that was widened': ['UPDATE log_gaps SET to_offset = 5', /ahead 1 4-5/],
  'a gap that was widened over the next ones': [
    `UPDATE log_gaps SET to_offset = 2;
     INSERT INTO log_gaps (log_id, log_partition, from_offset, to_offset, reason)
     SELECT log_id, log_partition, n, n + 1, reason FROM log_gaps, generate_series(2, 3) n;
     UPDATE log_gaps SET to_offset = 4 WHERE from_offset = 1`,
    /overlap 1 3-4/,
  ],
  'a letter that nobody discarded': [
    `UPDATE dead_letters SET state = 'discarded' WHERE reason = 'invalid_event'`,
    /unexplained: is discarded/,
  ],
  'a conflict of one payload with itself': [
    'UPDATE conflicts SET digest = first_digest',
    /unexplained: is a conflict with its own payload/,
  ],
  'a message of an event that took no effect': [
    `INSERT INTO outbox (message_id, shard, topic, key, headers, event_id, handler, n)
     VALUES (gen_random_uuid(), 0, 't', '', '{}', gen_random_uuid(), 'h', 0)`,
    /orphan: outbox message/,
  ],
  'an altered amount': [
    `UPDATE processed_events SET total_amount = 99.9998 WHERE log_offset = 0;
     UPDATE orders SET amount_sum = amount_sum - 0.0001`,
    /altered: the row does not have its digest/,
  ],
  'an altered user': [`UPDATE processed_events SET user_id = 'x' WHERE log_offset = 7`, /altered/],
  'an effect that is off by one': [
    'UPDATE orders SET event_count = event_count + 1 WHERE event_count = 2',
    /effect: orders says 3 events, .*; processed_events says 2 events/,
  ],
  'an effect that is off by a ten-thousandth': [
    'UPDATE orders SET amount_sum = amount_sum + 0.0001 WHERE event_count = 2',
    /effect/,
  ],
  'an order that nobody asked for': [
    `INSERT INTO orders SELECT gen_random_uuid(), user_id, total_amount, event_count, amount_sum,
       last_event_id, first_occurred_at, last_occurred_at, last_log_id, last_log_partition,
       last_log_offset FROM orders LIMIT 1`,
    /effect: orders says 1 events, .*; processed_events says nothing|effect/,
  ],
  'a lost order': ['DELETE FROM orders WHERE event_count = 2', /effect: orders says nothing/],
  'an order that shows an older event': [
    `UPDATE orders o SET last_event_id = p.event_id, last_log_offset = 0, user_id = p.user_id,
       total_amount = p.total_amount FROM processed_events p
      WHERE o.event_count = 2 AND p.log_offset = 0 AND p.log_partition = 0`,
    /last event: does not show/,
  ],
  'a duplicate of nothing': [
    'UPDATE duplicates SET event_id = gen_random_uuid()',
    /orphan: duplicate of an event id that is not taken/,
  ],
  'a held order with nothing parked': [
    'INSERT INTO held_orders (order_id) VALUES (gen_random_uuid())',
    /held order: is held, but has no parked event/,
  ],
  'a parked event whose order is not held': [
    'DELETE FROM held_orders',
    /held order: has parked events, but is not held/,
  ],
};
