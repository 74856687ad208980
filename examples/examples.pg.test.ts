import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadHandlers } from '../src/handlers/load-handlers.ts';
import { sliceOfEvents, wireEvent } from '../test/support/events.ts';
import { count, processAll, setUpHeart } from '../test/support/heart.ts';

async function setUp(t: TestContext, example: string) {
  const folder = fileURLToPath(new URL(`${example}/`, import.meta.url));
  const { pool, context } = await setUpHeart(t, 1);
  await pool.query(readFileSync(`${folder}0001-${example}.sql`, 'utf8'));
  const handlers = await loadHandlers(`${folder}handlers.ts`);
  return { pool, context: { ...context, handlers: { handlers, timeoutMs: 3000, attemptsMax: 5 } } };
}

describe('Examples', () => {
  it('charge: each event once, balances exact, a blocked user is parked alone', async (t) => {
    const { pool, context } = await setUp(t, 'charge');
    await pool.query(`INSERT INTO charge_balances VALUES ('blocked', 0, true)`);
    const events = [
      wireEvent({ user_id: 'ann', total_amount: '0.1' }),
      wireEvent({ user_id: 'ann', total_amount: '0.2' }),
      wireEvent({ user_id: 'blocked' }),
      wireEvent({ user_id: 'bob', total_amount: '5' }),
    ];
    await processAll(context, sliceOfEvents(0, [...events, ...events]));
    const { rows } = await pool.query(
      'SELECT user_id, charged::text FROM charge_balances ORDER BY user_id',
    );
    assert.deepEqual(rows, [
      { user_id: 'ann', charged: '0.3000' },
      { user_id: 'blocked', charged: '0' },
      { user_id: 'bob', charged: '5.0000' },
    ]);
    assert.deepEqual(
      [await count(pool, 'charge_ledger'), await count(pool, 'dead_letters')],
      [3, 1],
    );
    const [handler] = context.handlers.handlers;
    assert.deepEqual(await handler?.check?.(pool as never), []);
    await pool.query(`UPDATE charge_balances SET charged = charged + 1 WHERE user_id = 'ann'`);
    await pool.query(`DELETE FROM charge_ledger WHERE user_id = 'bob'`);
    assert.equal((await handler?.check?.(pool as never))?.length, 3);
  });

  it('stock: one unit per order, and the order that finds none is parked', async (t) => {
    const { pool, context } = await setUp(t, 'stock');
    await pool.query('UPDATE stock SET units = 2');
    const first = wireEvent();
    const again = wireEvent({ order_id: first.order_id });
    await processAll(context, sliceOfEvents(0, [first, again, wireEvent(), wireEvent()]));
    const { rows } = await pool.query('SELECT units FROM stock');
    assert.deepEqual([rows[0].units, await count(pool, 'stock_reservations')], [0, 2]);
    const parked = await pool.query('SELECT log_offset, sqlstate, reason FROM dead_letters');
    assert.deepEqual(parked.rows, [
      { log_offset: 3, sqlstate: '23514', reason: 'refused_by_handler' },
    ]);
  });
});
