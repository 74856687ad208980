import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startTestKit } from 'orderonce/testing';
import events from './events.ts';
import { handlers } from './handlers.ts';

const migrations = new URL('./migrations/', import.meta.url);

async function start(t: TestContext) {
  // Without a URL, the kit would start a PostgreSQL of its own.
  const databaseUrl = process.env.TEST_DATABASE_URL;
  const kit = await startTestKit({ events, handlers, migrations, databaseUrl });
  t.after(() => kit.close());
  const stockOf = async (sku: string) => {
    const columns = await kit.query('SELECT reserved, shipped FROM stock WHERE sku = $1', [sku]);
    return columns.rows[0];
  };
  const findings = async () =>
    (await Promise.all(handlers.map(({ check }) => check?.(kit as never) ?? []))).flat();
  return { kit, stockOf, findings };
}

const line = (sku: string, quantity: number) => ({ sku, quantity, unit_price: '4.50' });
const placed = (order_id: string, ...lines: ReturnType<typeof line>[]) =>
  ({ order_id, type: 'order.placed', data: { currency: 'EUR', lines } }) as const;

describe('The shop', () => {
  it('keeps a balance per currency; a refund of version 1 was in euros', async (t) => {
    const { kit, findings } = await start(t);
    const paid = (total_amount: string, currency: string) =>
      ({ type: 'order.paid', total_amount, data: { currency, method: 'card' } }) as const;
    await kit.sendTwice(paid('99.95', 'EUR'));
    await kit.send(paid('10', 'USD'));
    const refund_of = 'evt_1';
    await kit.send({
      type: 'order.refunded',
      total_amount: '-5.00',
      data: { currency: 'USD', refund_of },
    });
    // A producer that was not deployed yet. TypeScript knows the newest version only.
    const old = { type: 'order.refunded', version: 1, total_amount: -1, data: { refund_of } };
    await kit.send(old as never);
    const drained = await kit.drain();
    assert.deepEqual([drained.stored, drained.duplicates], [4, 1]);
    const { rows } = await kit.query('SELECT * FROM ledger_balances ORDER BY currency');
    assert.deepEqual(rows, [
      { currency: 'EUR', balance: '98.9500' },
      { currency: 'USD', balance: '5.0000' },
    ]);
    assert.deepEqual(await findings(), []);
    await kit.query(`UPDATE ledger SET currency = 'CHF' WHERE amount = -1`);
    assert.equal((await findings()).length, 3);
  });

  it('reserves, ships and releases; an order for more than is left is parked alone', async (t) => {
    const { kit, stockOf, findings } = await start(t);
    await kit.send(placed('#1001', line('pot', 2), line('pot', 1), line('cup-red', 4)));
    await kit.send({
      order_id: '#1001',
      type: 'order.shipped',
      data: { lines: [{ sku: 'pot', quantity: 1 }] },
    });
    const tooMany = await kit.send(placed('#1002', line('pot', 18)));
    await kit.send(placed('#1003', line('pot', 5)));
    await kit.drain();
    assert.deepEqual(await stockOf('pot'), { reserved: 7, shipped: 1 });
    assert.equal((await kit.event(tooMany))?.status, 'parked');
    const reason = { reason: 'changed my mind' };
    await kit.send({ order_id: '#1003', type: 'order.cancelled', data: reason });
    await kit.send({ order_id: '#1001', type: 'order.cancelled', data: reason });
    await kit.drain();
    assert.deepEqual(await stockOf('pot'), { reserved: 0, shipped: 1 });
    assert.deepEqual(await stockOf('cup-red'), { reserved: 0, shipped: 0 });
    await kit.redrive(tooMany);
    assert.equal((await kit.event(tooMany.event_id))?.status, 'stored');
    assert.deepEqual(await findings(), []);
    await kit.query(`UPDATE stock_moves SET reserved = 19 WHERE reserved = 18`);
    assert.equal((await findings()).length, 2);
  });

  it('refuses what is not declared', async (t) => {
    const { kit } = await start(t);
    await assert.rejects(kit.send({ user_id: 'ann' }), /type: Field required/);
    const typo = placed('#1', { ...line('pot', 1), quantity: 1.5 });
    await assert.rejects(kit.send(typo), /data\.lines\.0\.quantity/);
  });

  it('does all of it exactly once, whatever happens', async (t) => {
    const { kit } = await start(t);
    const { stored } = await kit.provesExactlyOnce([
      { ...placed('#1', line('pot', 2)), event_id: 'evt_1' },
      { order_id: '#1', type: 'order.paid', data: { currency: 'EUR', method: 'invoice' } },
      placed('#2', line('pot', 3), line('cup-blue', 1)),
      {
        order_id: '#1',
        type: 'order.shipped',
        data: { lines: [{ sku: 'pot', quantity: 1 }] },
      },
      { order_id: '#1', type: 'order.cancelled', data: { reason: 'late' } },
      {
        order_id: '#1',
        type: 'order.refunded',
        total_amount: '-4.50',
        data: { currency: 'EUR', refund_of: 'evt_1' },
      },
    ]);
    assert.equal(stored, 6);
  });
});
