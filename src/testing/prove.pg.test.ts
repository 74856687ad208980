import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { handlers as charge } from '../../examples/charge/handlers.ts';
import { handlers as stock } from '../../examples/stock/handlers.ts';
import { forEachEvent } from '../handlers/handler.ts';
import { startTestKit, type TestKitOptions } from './index.ts';

const CHARGES = 'CREATE TABLE charges (event_id uuid NOT NULL, n text)';
const FIVE = [{ user_id: 'ann' }, { user_id: 'bob' }, { user_id: 'ann' }, {}, {}];

async function start(t: TestContext, options: Pick<TestKitOptions, 'handlers' | 'migrations'>) {
  // On the kit's own server, which copies a database in a fraction of the time.
  const kit = await startTestKit({ migrations: CHARGES, ...options });
  t.after(() => kit.close());
  return kit;
}

const example = (name: string) =>
  new URL(`../../examples/${name}/0001-${name}.sql`, import.meta.url);

describe('provesExactlyOnce acquits', () => {
  it('the example "charge", also with an event that is parked', async (t) => {
    const kit = await start(t, { handlers: charge, migrations: example('charge') });
    await kit.query(`INSERT INTO charge_balances VALUES ('blocked', 0, true)`);
    const ignore = ['charge_ledger.charged_at'];
    const proof = await kit.provesExactlyOnce([...FIVE, { user_id: 'blocked' }], { ignore });
    assert.deepEqual([proof.stored, proof.deadLetters], [5, 1]);
    assert.ok(proof.faults > 20, `${proof.faults} faults`);
    assert.equal((await kit.query('SELECT FROM charge_ledger')).rowCount, 0);
  });

  it('the example "stock", also where it runs out', async (t) => {
    const kit = await start(t, { handlers: stock, migrations: example('stock') });
    await kit.query('UPDATE stock SET units = 2');
    const ignore = ['*.reserved_at'];
    const proof = await kit.provesExactlyOnce([{}, {}, {}, {}], { ignore });
    assert.deepEqual([proof.stored, proof.deadLetters], [2, 2]);
  });

  it('messages, and an error that is expected in a savepoint', async (t) => {
    const once = forEachEvent('first of a user', async (event, tx) => {
      try {
        await tx.savepoint(() => tx.query('INSERT INTO users VALUES ($1)', [event.userId]));
        tx.emit(event, { topic: 'users', key: event.userId, value: event.eventId });
      } catch (error) {
        if ((error as { code?: string }).code !== '23505') throw error;
      }
    });
    const migrations = 'CREATE TABLE users (name text PRIMARY KEY)';
    const kit = await start(t, { handlers: [once], migrations });
    assert.equal((await kit.provesExactlyOnce(FIVE)).stored, 5);
  });

  const totals = {
    'adds in one statement': forEachEvent('add', async ({ userId }, tx) => {
      await tx.query('UPDATE totals SET n = n + 1 WHERE user_id = $1', [userId]);
    }),
    'locks the row that it reads': forEachEvent('lock', async ({ userId }, tx) => {
      const select = 'SELECT n FROM totals WHERE user_id = $1 FOR UPDATE';
      const { rows } = await tx.query(select, [userId]);
      const n = Number(rows[0]?.n) + 1;
      await tx.query('UPDATE totals SET n = $2 WHERE user_id = $1', [userId, n]);
    }),
  };
  for (const [what, handler] of Object.entries(totals)) {
    it(`a handler that ${what}, with two consumers at the same time`, async (t) => {
      const migrations = 'CREATE TABLE totals (user_id text PRIMARY KEY, n int NOT NULL)';
      const kit = await start(t, { handlers: [handler], migrations });
      await kit.query(`INSERT INTO totals VALUES ('ann', 0), ('bob', 0), ('user-1', 0)`);
      const { tried } = await kit.provesExactlyOnce(FIVE);
      assert.ok(tried.includes('when two consumers work at the same time'), String(tried));
    });
  }

  it('max() + 1 as a key, because PostgreSQL refuses the second one and it is tried again', async (t) => {
    const number = forEachEvent('number', async ({ eventId }, tx) => {
      const next = 'SELECT coalesce(max(n), 0) + 1, $1 FROM numbers';
      await tx.query(`INSERT INTO numbers ${next}`, [eventId]);
    });
    const migrations = 'CREATE TABLE numbers (n int PRIMARY KEY, event_id uuid NOT NULL)';
    const kit = await start(t, { handlers: [number], migrations });
    assert.equal((await kit.provesExactlyOnce(FIVE)).stored, 5);
  });

  it('events of a single order, which two consumers cannot share', async (t) => {
    const order = { order_id: '0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f' };
    const insert = forEachEvent('charge', async ({ eventId }, tx) => {
      await tx.query('INSERT INTO charges (event_id) VALUES ($1)', [eventId]);
    });
    const kit = await start(t, { handlers: [insert] });
    const { tried } = await kit.provesExactlyOnce([order, order]);
    assert.ok(!tried.some((circumstance) => circumstance.includes('two consumers')));
  });
});
