/** An account of typed events, and what can be wrong with it: verify and the proof share them. */
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { z } from 'zod';
import { compileEvents } from '../../src/event/declared-events.ts';
import { UNDECLARED } from '../../src/event/event-rules.ts';
import { defineEvents } from '../../src/handlers/define-events.ts';
import { processBatch } from '../../src/inbox/process-batch.ts';
import { migrate } from '../../src/store/migrate.ts';
import { sliceOfEvents, wireEvent } from './events.ts';
import { setUpHeart } from './heart.ts';

const declared = compileEvents(
  defineEvents(
    {
      'order.placed': { data: z.object({ currency: z.string(), quantity: z.int() }) },
      'order.cancelled': { amount: 'none' },
      'order.refunded': { amount: 'signed', data: z.object({ currency: z.string() }) },
    },
    { ids: { event: 'stripe', order: 'shopify' } },
  ),
);
export const TYPED_RULES = { ...UNDECLARED, declared };

/** One partition: an order with two currencies, a refund, no amount and an untyped event; text ids. */
export async function setUpTypedAccount(t: TestContext) {
  const { pool, context } = await setUpHeart(t, 1);
  await migrate(pool, { declared });
  const typed = { ...context, rules: TYPED_RULES };
  const order_id = randomUUID();
  const placed = (parts: object = {}) => ({
    ...wireEvent({ order_id }),
    type: 'order.placed',
    data: { quantity: 2, currency: 'EUR' },
    ...parts,
  });
  const cancelled = placed({ type: 'order.cancelled', total_amount: undefined, data: undefined });
  const events = [
    placed(),
    placed({ data: { quantity: 1, currency: 'USD' } }),
    placed({ type: 'order.refunded', total_amount: '-5', data: { currency: 'EUR' } }),
    cancelled,
    wireEvent({ order_id }),
    placed({ event_id: 'evt_1', order_id: '#1001' }),
    placed({ type: 'order.unknown' }),
    placed(),
    { ...cancelled, event_id: randomUUID(), order_id: randomUUID() },
  ];
  await processBatch(typed, sliceOfEvents(0, events));
  return { pool, context: typed };
}

/** As FAULTS of account-faults.ts has them. */
export const TYPED_FAULTS: Readonly<Record<string, readonly [sql: string, finding: RegExp]>> = {
  'data that was altered': [
    `UPDATE event_data SET data = jsonb_set(data, '{quantity}', '3') WHERE log_offset = 0`,
    /^altered: the row or its data does not have its digest$/m,
  ],
  'a deleted row of data': [
    'DELETE FROM event_data WHERE log_offset = 5',
    /^altered: the row does not have its digest$/m,
  ],
  'a changed type': [
    `UPDATE event_data SET event_type = 'order.placed' WHERE log_offset = 3`,
    /^altered: the row or its data does not have its digest$/m,
  ],
  'an amount of an event that has none': [
    'UPDATE processed_events SET total_amount = 1 WHERE log_offset = 8; UPDATE orders SET amount_sum = 1, total_amount = 1 WHERE last_log_offset = 8',
    /^altered: the row or its data does not have its digest$/m,
  ],
  'a refund whose sign was turned': [
    `UPDATE orders SET amount_sums = jsonb_set(amount_sums, '{EUR}', '15.0000') WHERE event_count > 1`,
    /^effect: orders says 5 events, .*"EUR": 15.*; processed_events says 5 events, .*"EUR": 5/m,
  ],
  'an amount that was moved to another currency': [
    `UPDATE orders SET amount_sums = '{"EUR": 15.0000}' WHERE event_count > 1`,
    /^effect: /m,
  ],
  'data of an event that is not stored': [
    `INSERT INTO event_data SELECT log_id, log_partition, 6, event_type, event_version, data FROM event_data WHERE log_offset = 0`,
    /^orphan: data of an event that is not stored$/m,
  ],
  'data at a place that the log has not reached': [
    `INSERT INTO event_data SELECT log_id, log_partition, 99, event_type, event_version, data FROM event_data WHERE log_offset = 0`,
    /^orphan: data of an event that is not stored$/m,
  ],
  'data in a log that has no position': [
    `INSERT INTO event_data SELECT 7, 3, 0, event_type, event_version, data FROM event_data WHERE log_offset = 0`,
    /^orphan: data of an event that is not stored$/m,
  ],
};
