/** What a handler must not do in the transaction, and what happens then, on a real PostgreSQL. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, nextOffset, processAll, setUpHeart } from '../../test/support/heart.ts';
import { redrive } from '../dead-letters/redrive.ts';
import { CORE_TABLES } from '../store/core-tables.ts';
import { createEventDataDays } from '../store/event-data-days.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { whyForbidden } from './forbidden-statements.ts';
import type { HandledEvent, Handler, HandlerTransaction } from './handler.ts';

type Act = (tx: HandlerTransaction, events: readonly HandledEvent[]) => unknown;

/**
 * Two handlers: the first runs `act` if an event has the amount 666, the second writes a ledger.
 */
async function setUp(t: TestContext, act: Act) {
  const { pool, context } = await setUpHeart(t);
  await pool.query('CREATE TABLE ledger (event_id uuid PRIMARY KEY, amount numeric NOT NULL)');
  const seen: HandledEvent[] = [];
  const handlers: Handler[] = [
    {
      name: 'rogue',
      handle: async (events, tx) => {
        if (events.some(({ totalAmount }) => totalAmount === '666.0000')) await act(tx, events);
      },
    },
    {
      name: 'charge',
      handle: async (events, tx) => {
        seen.push(...events);
        await tx.query(
          'INSERT INTO ledger (event_id, amount) SELECT * FROM unnest($1::uuid[], $2::numeric[])',
          [events.map((event) => event.eventId), events.map((event) => event.totalAmount)],
        );
      },
    },
  ];
  const set = { handlers, timeoutMs: 1000, attemptsMax: 1 };
  return { pool, seen, context: { ...context, handlers: set } };
}

/** Processes three good events and a bad one. @returns why the bad one was parked. */
async function runOneBad(t: TestContext, act: Act) {
  const { pool, context, seen } = await setUp(t, act);
  await processAll(context, sliceOfEvents(0, [wireEvent()]));
  const bad = wireEvent({ total_amount: '666' });
  await processAll(context, sliceOfEvents(1, [wireEvent(), bad, wireEvent()]));
  assert.deepEqual([await count(pool, 'processed_events'), await count(pool, 'ledger')], [3, 3]);
  const { rows } = await pool.query(
    `SELECT log_offset, sqlstate, detail ->> 'message' AS message FROM dead_letters`,
  );
  assert.deepEqual(
    rows.map(({ log_offset }) => log_offset),
    [2],
  );
  assert.equal(await nextOffset(pool), 4);
  return { pool, context, seen, message: rows[0].message as string, sqlState: rows[0].sqlstate };
}

const CORE: readonly (readonly [table: string, statement: string])[] = [
  ['processed_events', 'DELETE FROM processed_events'],
  ['processed_events', 'TRUNCATE processed_events'],
  ['processed_events', 'WITH gone AS (DELETE FROM processed_events RETURNING 1) SELECT 1'],
  ['consumer_positions', 'UPDATE consumer_positions SET next_offset = next_offset + 10'],
  ['dead_letters', 'DELETE FROM dead_letters'],
  ['held_orders', 'INSERT INTO held_orders (order_id) VALUES (gen_random_uuid())'],
  ['outbox', 'DELETE FROM outbox'],
  ['orders', 'UPDATE orders SET event_count = 0'],
  ['event_log', 'DELETE FROM event_log'],
  ['consumer_positions', 'DO $$ BEGIN DELETE FROM consumer_positions; END $$'],
];

describe('A handler that changes the tables of the guarantees', () => {
  for (const [table, statement] of CORE) {
    it(`is stopped, and named: ${statement} [G2] [G7]`, async (t) => {
      const { message, sqlState } = await runOneBad(t, (tx) => tx.query(statement));
      assert.equal(sqlState, '42501');
      assert.match(message, new RegExp(`^Handler "rogue": .*must not change the table "${table}"`));
    });
  }

  it('finds each of them protected, in its rows and in what it is', async (t) => {
    const { pool } = await createDatabase(t);
    await createEventDataDays(pool);
    const { rows } = await pool.query<{ name: string; protected: boolean }>(
      `SELECT c.relname AS name,
              EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'refuse_handlers'
                         AND t.tgenabled = 'A') AS protected
         FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace`,
    );
    assert.ok(rows.length > CORE_TABLES.length, 'with days of event_data');
    for (const table of rows) {
      assert.ok(table.protected, table.name);
      assert.match(whyForbidden(`DROP TABLE ${table.name}`) ?? '', /belongs to Orderonce/);
    }
  });

  it('is stopped also where triggers are switched off, and by a trigger of its own table', async (t) => {
    await runOneBad(t, async (tx) => {
      await tx.query(`SELECT set_config('session_replication_role', 'replica', true)`);
      await tx.query('DELETE FROM processed_events');
    });
    const { message } = await runOneBad(t, async (tx) => {
      await tx.query('CREATE TABLE mine (n int)');
      await tx.query(`CREATE FUNCTION reach() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN DELETE FROM processed_events; RETURN NULL; END $$`);
      await tx.query(
        'CREATE TRIGGER reach AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION reach()',
      );
      await tx.query('INSERT INTO mine VALUES (1)');
    });
    assert.match(message, /must not change the table "processed_events"/);
  });
});

const SESSION: readonly (readonly [what: RegExp, statement: string])[] = [
  [/search_path/, `SELECT set_config('search_path', 'pg_catalog', false)`],
  [/statement_timeout/, `SELECT set_config('statement_timeout', '0', true)`],
  [/role/, `SELECT set_config('role', 'pg_read_all_data', true)`],
  [/session_authorization/, `SELECT set_config('session_authorization', 'pg_monitor', true)`],
  [/exit_on_error/, `SELECT set_config('exit_on_error', 'on', true)`],
  [/orderonce_guard/, `SELECT set_config('orderonce_guard.handler', '', true)`],
  [
    /default_transaction_read_only/,
    `SELECT set_config('default_transaction_read_only', 'on', false)`,
  ],
  [/advisory/, 'SELECT pg_advisory_lock(1)'],
  [/CREATE TEMP TABLE/, 'CREATE TEMP TABLE scratch (n int)'],
  [/COPY/, 'COPY ledger FROM STDIN'],
  [/DISCARD/, 'DISCARD ALL'],
  [/LISTEN/, 'LISTEN orders'],
  [/ALTER TABLE/, 'ALTER TABLE processed_events DISABLE TRIGGER ALL'],
];

describe('A handler that changes the session', () => {
  for (const [what, statement] of SESSION) {
    it(`is refused or fails, by name: ${statement} [G2]`, async (t) => {
      const { pool, message } = await runOneBad(t, (tx) => tx.query(statement));
      assert.match(message, /^Handler "rogue": /);
      assert.match(message, what);
      const { rows } = await pool.query('SHOW search_path');
      assert.equal(rows[0].search_path, '"$user", public');
    });
  }

  it('may set what is its own, for the transaction, and take locks that end with it', async (t) => {
    const { pool, context } = await setUp(t, async (tx) => {
      await tx.query(`SELECT set_config('app.tenant', 'a', true), pg_advisory_xact_lock(7)`);
      await tx.query('SELECT pg_advisory_unlock_all()');
      await tx.query('CREATE TEMP TABLE scratch (n int) ON COMMIT DROP');
    });
    await processAll(context, sliceOfEvents(0, [wireEvent({ total_amount: '666' })]));
    assert.equal(await count(pool, 'ledger'), 1);
  });
});

const UNAWAITED: Readonly<Record<string, Act>> = {
  'a query': (tx) => void tx.query('SELECT pg_sleep(0.05)'),
  'a query that fails': (tx) => void tx.query('SELECT 1/0 FROM pg_sleep(0.05)'),
  'a query that takes long': (tx) => void tx.query('SELECT pg_sleep(30)'),
  'a savepoint': (tx) => void tx.savepoint(async () => await tx.query('SELECT 1')),
  'a savepoint that waits for something else': async (tx) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    void tx.savepoint(async () => {
      resolve();
      await new Promise((done) => setTimeout(done, 50).unref());
    });
    await promise;
  },
};

describe('A handler that returns before its own statements have ended', () => {
  for (const [what, act] of Object.entries(UNAWAITED)) {
    it(`is refused immediately, by name: ${what} [G2]`, async (t) => {
      const started = performance.now();
      const { message } = await runOneBad(t, act);
      assert.match(message, /^Handler "rogue": It returned while .* was still under way: await /);
      assert.ok(performance.now() - started < 8000, 'waited for the statement');
    });
  }
});

describe('A handler that changes the events it is given', () => {
  const changes: Readonly<Record<string, Act>> = {
    'a field': (_, events) => Object.assign(events[0] as object, { totalAmount: '0' }),
    'the list': (_, events) => (events as HandledEvent[]).splice(0),
    'an id': (_, events) => Object.defineProperty(events[0], 'eventId', { value: 'x' }),
  };
  for (const [what, act] of Object.entries(changes)) {
    it(`harms none of those behind it: ${what} [G2]`, async (t) => {
      const { seen, message } = await runOneBad(t, act);
      assert.match(message, /^Handler "rogue": Cannot /);
      assert.ok(seen.every((event) => event.totalAmount === '10.0000'));
    });
  }
});

describe('redrive of an event whose handler', () => {
  for (const [what, statement] of [
    ['ends the session', 'SELECT pg_terminate_backend(pg_backend_pid())'],
    ['changes a table of the guarantees', 'DELETE FROM processed_events'],
  ] as const) {
    it(`${what}: it failed, stays parked, and nothing else changed`, async (t) => {
      const { pool, context } = await runOneBad(t, () => {
        throw new Error('first');
      });
      const { handlers: set } = context;
      const act = async (_: unknown, tx: HandlerTransaction) => void (await tx.query(statement));
      const handlers = { ...set, handlers: [{ name: 'rogue', handle: act }] };
      const place = { logId: context.logId, partition: 0, offset: 2 };
      const [result] = await redrive({ pool, handlers, actor: 'test', ...USUAL_MODEL }, place);
      assert.equal(result?.outcome, 'failed');
      assert.match(result?.message ?? '', /^Handler "rogue": /);
      const { rows } = await pool.query('SELECT state, attempts FROM dead_letters');
      assert.deepEqual(rows, [{ state: 'parked', attempts: 2 }]);
      assert.equal(await count(pool, 'processed_events'), 3);
      assert.equal(await count(pool, 'dead_letter_audit'), 1);
    });
  }
});
