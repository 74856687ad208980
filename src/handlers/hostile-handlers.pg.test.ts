/** Whatever a handler throws or does for one event, no other event is affected. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, setUpHeart } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { PartitionWorker } from '../consume/partition-worker.ts';
import { Suspicion } from '../consume/suspicion.ts';
import { Turns } from '../consume/turns.ts';
import { createLogger } from '../runtime/logger.ts';
import { readPositions } from '../store/positions.ts';
import type { HandledEvent, Handler, HandlerTransaction } from './handler.ts';
import { OutageError } from './handler.ts';

/**
 * Workers of two partitions. Their handler charges, and runs `act` if an event has the amount 666.
 */
async function setUp(
  t: TestContext,
  act: (tx: HandlerTransaction) => unknown,
  timeoutMs = 1500,
  batchMax = 100,
) {
  const { pool, context } = await setUpHeart(t, 2);
  await pool.query('CREATE TABLE ledger (event_id uuid PRIMARY KEY, amount numeric NOT NULL)');
  const handler: Handler = {
    name: 'charge',
    handle: async (events, tx) => {
      if (events.some(({ totalAmount }) => totalAmount === '666.0000')) await act(tx);
      await charge(events, tx);
    },
  };
  const set = { handlers: [handler], timeoutMs, attemptsMax: 2 };
  const stopping = new AbortController();
  const shared = { ...context, handlers: set };
  const turns = new Turns({ connections: 2, batchMax: 100 });
  const workers = (await readPositions(pool, context.topic)).map(
    (position) =>
      new PartitionWorker(position, {
        context: shared,
        suspicion: new Suspicion(shared, null, false),
        turns,
        batchMax,
        logger: createLogger('silent'),
        signal: stopping.signal,
        onCommitted: () => {},
      }),
  );
  const running = workers.map((worker) => worker.run());
  t.after(async () => {
    stopping.abort();
    await Promise.all(running);
  });
  return { pool, workers };
}

async function charge(events: readonly HandledEvent[], tx: HandlerTransaction): Promise<void> {
  await tx.query(
    'INSERT INTO ledger (event_id, amount) SELECT * FROM unnest($1::uuid[], $2::numeric[])',
    [events.map(({ eventId }) => eventId), events.map(({ totalAmount }) => totalAmount)],
  );
}

/** Processes a bad event among good ones. @returns the dead letters. */
async function runOneBad(
  t: TestContext,
  act: (tx: HandlerTransaction) => unknown,
  timeoutMs?: number,
  batchMax?: number,
) {
  const { pool, workers } = await setUp(t, act, timeoutMs, batchMax);
  const good = (n: number) => Array.from({ length: n }, () => wireEvent());
  const bad = wireEvent({ total_amount: '666' });
  workers[0]?.buffer.add(sliceOfEvents(0, [...good(7), bad, ...good(12)]));
  workers[1]?.buffer.add(sliceOfEvents(0, good(5), 1));
  await until(
    'all are settled',
    () => workers[0]?.nextOffset === 20 && workers[1]?.nextOffset === 5,
    { withinMs: 20_000 },
  );
  const { rows } = await pool.query(
    `SELECT log_offset, state, reason, sqlstate, detail ->> 'message' AS message FROM dead_letters`,
  );
  const effects = await count(pool, 'ledger');
  assert.deepEqual([await count(pool, 'processed_events'), effects], [24, 24]);
  assert.deepEqual(
    workers.map(({ status }) => status.state),
    ['running', 'running'],
  );
  assert.deepEqual(
    rows.map(({ log_offset, state }) => [log_offset, state]),
    [[7, 'parked']],
  );
  assert.match(rows[0].message, /^Handler "charge": /);
  return { pool, letter: rows[0] };
}

function throwingOn(property: PropertyKey): unknown {
  const error = new Error('hidden');
  const get = () => {
    throw new Error('getter');
  };
  return Object.defineProperty(error, property, { get, configurable: true });
}

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

const circular = () => {
  const error = new AggregateError([], '');
  error.errors.push(error);
  error.cause = error;
  return error;
};

const trap = () => {
  throw new Error('trap');
};

const THROWN: Readonly<Record<string, () => unknown>> = {
  null: () => null,
  undefined: () => undefined,
  'a string': () => 'boom',
  'a number': () => 0,
  'a symbol': () => Symbol('boom'),
  'a function': () => () => {},
  'a frozen object': () => Object.freeze({ message: 'boom' }),
  'an object without a prototype': () => Object.create(null),
  'a revoked proxy': revoked,
  'a proxy whose traps throw': () =>
    new Proxy(new Error('boom'), { get: trap, has: trap, getPrototypeOf: trap }),
  'a circular AggregateError': circular,
  'a message with NUL and lone surrogates': () => new Error('a\0b\ud800'),
  'a huge message': () => new Error('x'.repeat(5_000_000)),
  ...Object.fromEntries(
    ['message', 'name', 'code', 'stack', 'cause', 'severity', 'toString', Symbol.toPrimitive].map(
      (property) => [`an error whose ${String(property)} throws`, () => throwingOn(property)],
    ),
  ),
  'an error with a prototype that throws': () =>
    Object.setPrototypeOf(new Error('boom'), new Proxy({}, { get: trap, getPrototypeOf: trap })),
  ECONNREFUSED: () =>
    Object.assign(new Error('connect'), { code: 'ECONNREFUSED', errno: -111, syscall: 'connect' }),
  ENOENT: () => Object.assign(new Error('open'), { code: 'ENOENT', errno: -2 }),
  'an SQLSTATE that says outage': () =>
    Object.assign(new Error('no'), { code: '57P01', severity: 'FATAL' }),
  'an SQLSTATE that is none': () =>
    Object.assign(new Error('no'), { code: '\0'.repeat(9), severity: 'x' }),
  'words of a broken connection': () => new Error('Connection terminated unexpectedly'),
};

describe('One event for which a handler throws', () => {
  for (const [what, thrown] of Object.entries(THROWN)) {
    it(`${what}: it alone is parked [G6]`, async (t) => {
      const { letter } = await runOneBad(t, () => {
        throw thrown();
      });
      assert.equal(letter.reason, 'keeps_failing');
    });
  }
});

const DONE: Readonly<Record<string, (tx: HandlerTransaction) => unknown>> = {
  'ends its session': (tx) => tx.query('SELECT pg_terminate_backend(pg_backend_pid())'),
  'sleeps beyond its time': (tx) => tx.query('SELECT pg_sleep(60)'),
  'returns a promise that never settles': () => new Promise(() => {}),
  'returns a thenable that throws': () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested
    then: trap,
  }),
  'copies from nowhere': (tx) => tx.query('COPY ledger FROM STDIN'),
  'passes a value that cannot be sent': (tx) => tx.query('SELECT $1::json', [{ n: 1n }]),
  'passes a text that is none': (tx) => tx.query({ text: 'SELECT 1' } as never),
  'raises in a DO block': (tx) =>
    tx.query(`DO $$ BEGIN RAISE 'no' USING ERRCODE = '08006'; END $$`),
};

describe('One event for which a handler', () => {
  for (const [what, act] of Object.entries(DONE)) {
    it(`${what}, and it alone is parked [G6]`, async (t) => {
      await runOneBad(t, act, 300);
    });
  }

  it('fails at COMMIT by a deferred trigger that looks like an outage: it alone is parked [G6]', async (t) => {
    const { pool, workers } = await setUp(t, async (tx) => {
      await tx.query('INSERT INTO late VALUES (1)');
    });
    await pool.query(`CREATE TABLE late (n int);
      CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE 'not now' USING ERRCODE = '40001'; END $$;
      CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION late()`);
    const events = [wireEvent(), wireEvent({ total_amount: '666' }), wireEvent()];
    workers[0]?.buffer.add(sliceOfEvents(0, events));
    await until('all are settled', () => workers[0]?.nextOffset === 3, { withinMs: 20_000 });
    assert.deepEqual([await count(pool, 'ledger'), await count(pool, 'dead_letters')], [2, 1]);
  });

  it('ends its session, where batches are of one event: it alone is parked [G6]', async (t) => {
    const end = (tx: HandlerTransaction) =>
      tx.query('SELECT pg_terminate_backend(pg_backend_pid())');
    await runOneBad(t, end, 300, 1);
  });

  it('says that a dependency is away: it is parked in the end, as the others succeed [G6]', async (t) => {
    const { letter } = await runOneBad(t, () => {
      throw new OutageError('this bank does not answer');
    });
    assert.equal(letter.reason, 'keeps_failing');
  });
});
