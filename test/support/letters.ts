/** A setup for redrives: a handler that refuses events until the test fixes it. */
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { redrive } from '../../src/dead-letters/redrive.ts';
import { type Handler, TerminalError } from '../../src/handlers/handler.ts';
import type { LogPlace } from '../../src/store/log-place.ts';
import { wireEvent } from './events.ts';
import { setUpHeart } from './heart.ts';

/**
 * The handler refuses the amount 666 until `state.isFixed` is true. The table `ledger` shows which
 * events took effect, in order.
 */
export async function setUpLetters(t: TestContext) {
  const { pool, context } = await setUpHeart(t);
  await pool.query('CREATE TABLE ledger (n serial, event_id uuid PRIMARY KEY)');
  const state = { isFixed: false };
  const handler: Handler = {
    name: 'ledger',
    handle: async (events, tx) => {
      const isBad = events.some(({ totalAmount }) => totalAmount === '666.0000');
      if (isBad && !state.isFixed) throw new TerminalError('not yet');
      for (const { eventId } of events) {
        await tx.query('INSERT INTO ledger (event_id) VALUES ($1)', [eventId]);
      }
    },
  };
  const handlers = { handlers: [handler], timeoutMs: 1000, attemptsMax: 5 };
  const { rules, projection } = context;
  const redriving = { pool, handlers, rules, projection, actor: 'test' };
  const place = (offset: number, partition = 0): LogPlace => {
    return { logId: context.logId, partition, offset };
  };
  const outcomes = async (offset: number) =>
    (await redrive(redriving, place(offset))).map((r) => `${r.offset} ${r.outcome}`);
  return { pool, context: { ...context, handlers }, redriving, state, place, outcomes };
}

export const poison = (order_id = randomUUID()) => wireEvent({ order_id, total_amount: '666' });
