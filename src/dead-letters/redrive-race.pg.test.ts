/**
 * A redrive and an arriving event of the same order, in both orders: one waits for the other's
 * locks.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, processAll } from '../../test/support/heart.ts';
import { poison, setUpLetters } from '../../test/support/letters.ts';
import { until } from '../../test/support/until.ts';
import type { Handler } from '../handlers/handler.ts';
import { redrive } from './redrive.ts';

/**
 * Stops a handler in the middle of its transaction, at its n-th call, until the test continues it.
 */
function gateAt(call: number) {
  const entered = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  let calls = 0;
  const wrap = (handler: Handler): Handler => ({
    name: handler.name,
    handle: async (events, tx) => {
      if (++calls === call) {
        entered.resolve();
        await open.promise;
      }
      await handler.handle(events, tx);
    },
  });
  return { wrap, entered: entered.promise, open: open.resolve };
}

describe('A redrive and an arriving event of the same order', () => {
  /** An order with a parked event at 1, an event that waits at 2, and a third that arrives. */
  async function setUpRace(t: TestContext, call: number) {
    const parts = await setUpLetters(t);
    const { pool, context, redriving, state, place } = parts;
    const order_id = randomUUID();
    const events = [poison(order_id), wireEvent({ order_id })];
    const arriving = wireEvent({ order_id });
    await processAll(context, sliceOfEvents(0, [wireEvent(), ...events]));
    state.isFixed = true;
    const gate = gateAt(call);
    const [handler] = context.handlers.handlers as [Handler];
    const gated = { handlers: [gate.wrap(handler)], timeoutMs: 10_000, attemptsMax: 5 };
    const oneWaits = () =>
      until('one waits for the other', async () => {
        const { rows } = await pool.query(
          `SELECT count(*) AS n FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rows[0].n > 0;
      });
    const assertInOrder = async () => {
      const left = await pool.query('SELECT log_offset FROM dead_letters ORDER BY log_offset');
      for (const { log_offset } of left.rows) await redrive(redriving, place(log_offset));
      const { rows } = await pool.query(
        `SELECT l.event_id FROM ledger l JOIN processed_events USING (event_id)
          WHERE order_id = $1 ORDER BY n`,
        [order_id],
      );
      assert.deepEqual(
        rows.map(({ event_id }) => event_id),
        [...events, arriving].map(({ event_id }) => event_id),
      );
      assert.equal(await count(pool, 'held_orders'), 0);
    };
    return { ...parts, arriving, gate, gated, oneWaits, assertInOrder };
  }

  it('the redrive first: the event waits for its outcome, and does not overtake [G5]', async (t) => {
    const race = await setUpRace(t, 1);
    const { context, redriving, place, arriving, gate, gated } = race;
    const redriven = redrive({ ...redriving, handlers: gated }, place(1));
    await gate.entered;
    const processed = processAll(context, sliceOfEvents(3, [arriving]));
    await race.oneWaits();
    gate.open();
    assert.equal((await redriven)[0]?.outcome, 'stored');
    await processed;
    await race.assertInOrder();
  });

  it('the event first: the redrive waits for it, and takes it along [G5]', async (t) => {
    // The attempt that may not park ends before it calls handlers; this call holds locks.
    const race = await setUpRace(t, 1);
    const { context, redriving, place, arriving, gate, gated } = race;
    const slice = sliceOfEvents(3, [arriving, wireEvent()]);
    const processed = processAll({ ...context, handlers: gated }, slice);
    await gate.entered;
    const redriven = redrive(redriving, place(1));
    await race.oneWaits();
    gate.open();
    await processed;
    assert.deepEqual(
      (await redriven).map(({ offset, outcome }) => `${offset} ${outcome}`),
      ['1 stored', '2 stored', '3 stored'],
    );
    await race.assertInOrder();
  });
});
