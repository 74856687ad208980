/** Two partitions that park at the same moment: one id has one dead letter, one order is held. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, type WireEvent, wireEvent } from '../../test/support/events.ts';
import { count, processAll, setUpHeart } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { redrive } from '../dead-letters/redrive.ts';
import type { OrderonceError } from '../errors.ts';
import { type Handler, TerminalError } from '../handlers/handler.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { verify } from '../verify/verify.ts';
import type { BatchContext } from './batch.ts';

/** A handler refuses the amount 666; at the amount 777 it waits until the test continues it. */
async function setUp(t: TestContext) {
  const { pool, context } = await setUpHeart(t, 2);
  const state = { isFixed: false };
  const gate = () => {
    const entered = Promise.withResolvers<void>();
    const open = Promise.withResolvers<void>();
    const handler: Handler = {
      name: 'gated',
      handle: async (events) => {
        const has = (amount: string) => events.some((event) => event.totalAmount === amount);
        if (has('666.0000') && !state.isFixed) throw new TerminalError('no');
        if (!has('777.0000')) return;
        entered.resolve();
        await open.promise;
      },
    };
    const handlers = { handlers: [handler], timeoutMs: 20_000, attemptsMax: 5 };
    const gated: BatchContext = { ...context, handlers };
    return { context: gated, entered: entered.promise, open: () => open.resolve() };
  };
  const verdict = () =>
    verify(pool, {
      topic: context.topic,
      receipts: null,
      reader: null,
      handlers: [],
      onStep: () => {},
      ...USUAL_MODEL,
    });
  return { pool, state, gate, verdict };
}

const poison = (more: object = {}) => wireEvent({ total_amount: '666', ...more });
const WAITING = `pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
const slow = () => wireEvent({ total_amount: '777' });

describe('Two partitions that park at once', () => {
  it('park an id once: the other payload is a conflict [G4]', async (t) => {
    const { pool, gate, verdict } = await setUp(t);
    const [first, second] = [gate(), gate()];
    const bad = poison();
    const one = [wireEvent(), bad, slow()];
    const early = processAll(first.context, sliceOfEvents(0, one, 0));
    await first.entered;
    const other = [wireEvent(), { ...bad, order_id: randomUUID() }, slow()];
    const late = processAll(second.context, sliceOfEvents(0, other, 1));
    await second.entered;
    first.open();
    second.open();
    // Whoever comes second notices, rolls back and tries again, as a consumer does.
    const again = (gated: typeof first, events: WireEvent[], partition: number) => {
      return (error: OrderonceError) => {
        assert.equal(error.code, 'CLAIM_RACE');
        return processAll(gated.context, sliceOfEvents(0, events, partition));
      };
    };
    await Promise.all([early.catch(again(first, one, 0)), late.catch(again(second, other, 1))]);
    assert.deepEqual([await count(pool, 'dead_letters'), await count(pool, 'conflicts')], [1, 1]);
    assert.equal((await verdict()).isProven, true);
  });

  it('hold an order together: a redrive of one does not release it for the other [G5]', async (t) => {
    const { pool, state, gate, verdict } = await setUp(t);
    const [first, second] = [gate(), gate()];
    const order_id = randomUUID();
    const parking = (partition: number) =>
      sliceOfEvents(0, [wireEvent(), poison({ order_id }), slow()], partition);
    const early = processAll(first.context, parking(0));
    await first.entered;
    // It waits for the other one, which has held the order and not committed yet.
    const late = processAll(second.context, parking(1));
    await until('it waits', async () => (await count(pool, WAITING)) > 0);
    first.open();
    await early;
    await second.entered;
    state.isFixed = true;
    const redriving = { pool, handlers: first.context.handlers, actor: 'test', ...USUAL_MODEL };
    const redriven = redrive(redriving, { logId: first.context.logId, partition: 0, offset: 1 });
    // Either it has released the order by now, which is wrong, or it waits for that transaction.
    await until('the redrive waits, or has ended', async () => {
      const isOver = (await count(pool, 'processed_events')) > 2;
      return isOver || (await count(pool, WAITING)) > 0;
    });
    second.open();
    await Promise.all([late, redriven]);
    assert.equal(await count(pool, 'held_orders'), 1);
    assert.equal((await verdict()).isProven, true);
  });
});
