import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { handlers as charge } from '../../examples/charge/handlers.ts';
import { handlers as stock } from '../../examples/stock/handlers.ts';
import { forEachEvent, type Handler } from '../handlers/handler.ts';
import { startTestKit, type TestKitOptions } from './index.ts';

const CHARGES = 'CREATE TABLE charges (event_id uuid NOT NULL, n text)';
const FIVE = [{ user_id: 'ann' }, { user_id: 'bob' }, { user_id: 'ann' }, {}, {}];
const INSERT = 'INSERT INTO charges (event_id, n) VALUES ($1, $2)';

async function start(t: TestContext, options: Pick<TestKitOptions, 'handlers' | 'migrations'>) {
  const databaseUrl = process.env.TEST_DATABASE_URL;
  assert.ok(databaseUrl, 'Run the tests through "npm test"');
  const kit = await startTestKit({ migrations: CHARGES, ...options, databaseUrl });
  t.after(() => kit.close());
  return kit;
}

const example = (name: string) => new URL(`../../examples/${name}/schema.sql`, import.meta.url);

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
});

describe('provesExactlyOnce convicts a handler that', () => {
  const pools: pg.Pool[] = [];
  after(() => Promise.all(pools.map((pool) => pool.end())));

  /** The message of the error. */
  async function verdict(t: TestContext, handlers: TestKitOptions['handlers'], schema = CHARGES) {
    const kit = await start(t, { handlers, migrations: schema });
    const failed = await kit.provesExactlyOnce(FIVE).then(
      () => assert.fail('It was acquitted'),
      (error: Error) => error,
    );
    assert.equal(failed.name, 'ProofError');
    return failed.message;
  }

  function ownPool(connectionString: string): pg.Pool {
    const pool = new pg.Pool({ connectionString, max: 1 });
    pool.on('error', () => {});
    pools.push(pool);
    return pool;
  }

  it('writes through a pool of its own', async (t) => {
    const message = await verdict(t, ({ databaseUrl }) => {
      const pool = ownPool(databaseUrl);
      return [
        forEachEvent(
          'charge',
          async ({ eventId }) => void (await pool.query(INSERT, [eventId, 1])),
        ),
      ];
    });
    assert.match(
      message,
      /^charges: \d+ rows instead of 1 for event [0-9a-f-]{36} after a (restart|lost connection)/,
    );
  });

  it("writes through a pool of its own to the kit's database", async (t) => {
    let url = '';
    let pool: pg.Pool | undefined;
    const handle: Handler['handle'] = async (events) => {
      pool ??= ownPool(url);
      for (const { eventId } of events) await pool.query(INSERT, [eventId, 1]);
    };
    const kit = await start(t, { handlers: [{ name: 'charge', handle }] });
    url = kit.databaseUrl;
    await assert.rejects(kit.provesExactlyOnce(FIVE), {
      name: 'ProofError',
      message: /^charges: .* in the kit's own database\n.*a connection of its own/s,
    });
    await assert.rejects(kit.provesExactlyOnce(FIVE), {
      name: 'ProofError',
      message: /^Another connection to the kit's database is open/,
    });
  });

  it('counts in memory, for each process', async (t) => {
    const message = await verdict(t, () => {
      let count = 0;
      return [
        forEachEvent('count', async ({ eventId }, tx) => {
          await tx.query(INSERT, [eventId, ++count]);
        }),
      ];
    });
    assert.match(message, /^charges\.n is 1 instead of 4 for event .* after a restart/);
  });

  it('counts in memory, in its module', async (t) => {
    let count = 0;
    const handlers = [
      forEachEvent('count', async ({ eventId }, tx) => {
        await tx.query(INSERT, [eventId, ++count]);
      }),
    ];
    assert.match(await verdict(t, handlers), /^charges\.n is 6 instead of 1 for event/);
  });

  it('makes a key of random() or now()', async (t) => {
    const insert = 'INSERT INTO charges (event_id, n) VALUES ($1, random()::text)';
    const random = forEachEvent(
      'r',
      async ({ eventId }, tx) => void (await tx.query(insert, [eventId])),
    );
    const message = await verdict(t, [random]);
    assert.match(
      message,
      /^charges\.n is 0.* instead of 0.* in a second undisturbed run\n.*ignore/s,
    );
    const now = forEachEvent('emit', async (event, tx) => {
      tx.emit(event, { topic: 'x', key: String(process.hrtime.bigint()), value: '' });
    });
    assert.match(await verdict(t, [now]), /^outbox\.key is \d+ instead of \d+ for event/);
  });

  it('depends on where a batch ends', async (t) => {
    const handle: Handler['handle'] = async (events, tx) => {
      await tx.query(INSERT, [events[0]?.eventId, events.length]);
    };
    assert.match(
      await verdict(t, [{ name: 'sum', handle }]),
      /^charges.* for event .* when each event is a batch of its own/,
    );
  });

  it('swallows an SQL error', async (t) => {
    const swallow = forEachEvent('swallow', async ({ eventId }, tx) => {
      await tx.query(INSERT, [eventId, 1]).catch(() => {});
    });
    assert.match(
      await verdict(t, [swallow]),
      /^Handler "swallow" caught the error of a statement and returned: INSERT INTO charges/,
    );
  });

  it('swallows every SQL error in a savepoint', async (t) => {
    const swallow = forEachEvent('swallow', async ({ eventId }, tx) => {
      await tx.savepoint(() => tx.query(INSERT, [eventId, 1])).catch(() => {});
    });
    const message = await verdict(t, [swallow]);
    assert.match(message, /^charges: 0 rows instead of 1 for event .* after a deadlock/);
  });

  it('never succeeds', async (t) => {
    const broken = forEachEvent(
      'broken',
      async (_, tx) => void (await tx.query('SELECT * FROM x')),
    );
    assert.match(await verdict(t, [broken]), /relation "x" does not exist/);
  });
});
