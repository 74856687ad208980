/** Failures of the database: no process ends because of them, and work resumes afterwards. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { asAdmin, createDatabase, type TestDatabase } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { Orderonce, portsOf, untilHealthy } from '../support/processes.ts';
import { createRole } from '../support/roles.ts';
import { Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

/** 0: the system chooses the ports, because other test runs may share the machine. */
const PORTS = { producer: 0, consumer: 0 };
const RECOVERED_MS = 30_000;
/** For how long the test ends all sessions several times a second. */
const ENDING_MS = Number(process.env.ENDING_SECONDS ?? 8) * 1000;

async function setUp(t: TestContext, more: Record<string, string> = {}) {
  const { pool, name, url: owners } = await createDatabase(t);
  // PostgreSQL lets superusers in whatever the limits are; the deployment's role is none.
  const { name: role, url } = await createRole(t, owners, 'IN ROLE pg_signal_backend');
  await pool.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
  await pool.query(`ALTER DATABASE ${name} OWNER TO ${role}`);
  const db = { pool, name, url };
  const env = {
    DATABASE_URL: db.url,
    PRODUCER_PORT: '0',
    CONSUMER_PORT: '0',
    ...more,
  };
  const service = new Orderonce(t, ['start'], env);
  Object.assign(PORTS, await portsOf(service));
  const healthy = () => Promise.all(Object.values(PORTS).map(untilHealthy));
  await healthy();
  const shop = new Shop(PORTS.producer);
  const untilStored = () =>
    until('what was accepted is stored', async () => {
      const { rows } = await db.pool.query('SELECT count(*) AS n FROM processed_events');
      return rows[0].n >= shop.accepted.length;
    });
  const verify = async () => {
    const verify = new Orderonce(t, ['verify', '--against-log'], env);
    assert.equal(await verify.exit(), 0, verify.output);
    assert.equal(await service.kill('SIGTERM'), 0);
  };
  return { db, service, shop, healthy, untilStored, verify };
}

const endSessions = ({ name }: TestDatabase) =>
  asAdmin((admin) =>
    admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
      name,
    ]),
  );

/** Runs SQL from another database of the server, so that it works whatever state ours is in. */
const change = (sql: string) => asAdmin((admin) => admin.query(sql));

/** @returns '' while it is healthy. */
const whyUnhealthy = async () => {
  const answer = await fetch(`http://127.0.0.1:${PORTS.consumer}/health`);
  return answer.status === 503 ? ((await answer.json()) as { detail: string }).detail : '';
};

type Trouble = {
  readonly begin: (db: TestDatabase) => Promise<unknown>;
  readonly end: (db: TestDatabase) => Promise<unknown>;
  /** What the health page must say meanwhile. */
  readonly says?: RegExp;
};

const roleIn = (url: string) => new URL(url).username;

const TROUBLES: Readonly<Record<string, Trouble>> = {
  'is read-only for a while': {
    begin: ({ name }) => change(`ALTER DATABASE ${name} SET default_transaction_read_only = on`),
    end: ({ name }) => change(`ALTER DATABASE ${name} RESET default_transaction_read_only`),
  },
  'takes no connections for a while': {
    begin: ({ name }) => change(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`),
    end: ({ name }) => change(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`),
  },
  'has no connections left for a while': {
    begin: ({ url }) => change(`ALTER ROLE ${roleIn(url)} CONNECTION LIMIT 0`),
    end: ({ url }) => change(`ALTER ROLE ${roleIn(url)} CONNECTION LIMIT -1`),
    says: /too many connections/,
  },
  'has another name for a while': {
    begin: async (db) => {
      await change(`ALTER DATABASE ${db.name} ALLOW_CONNECTIONS false`);
      await until('it can be renamed', async () => {
        await endSessions(db);
        await change(`ALTER DATABASE ${db.name} RENAME TO ${db.name}_away`);
        return true;
      });
    },
    end: async ({ name }) => {
      await change(`ALTER DATABASE ${name}_away RENAME TO ${name}`);
      await change(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    },
  },
  'lacks a table for a while': {
    begin: ({ pool }) => pool.query('ALTER TABLE schema_migrations RENAME TO away'),
    end: ({ pool }) => pool.query('ALTER TABLE away RENAME TO schema_migrations'),
  },
};

describe('A database', () => {
  for (const [what, { begin, end, says = /./ }] of Object.entries(TROUBLES)) {
    it(`that ${what}: work resumes within 30 s of its end [G6]`, async (t) => {
      const { db, shop, healthy, untilStored, verify } = await setUp(t);
      await shop.sendAll(Array.from({ length: 20 }, () => wireEvent()));
      await begin(db);
      await endSessions(db);
      const meanwhile = shop.sendAll(Array.from({ length: 20 }, () => wireEvent()));
      await until('health is red, and says why', async () => says.test(await whyUnhealthy()));
      await end(db);
      const started = performance.now();
      await healthy();
      await meanwhile;
      await untilStored();
      const ms = Math.round(performance.now() - started);
      t.diagnostic(`recovered after ${ms} ms`);
      assert.ok(ms < RECOVERED_MS, `recovered after ${ms} ms`);
      await verify();
    });
  }

  it('that ends all sessions again and again ends no process, and nothing is lost [G6]', async (t) => {
    const { db, service, shop, healthy, untilStored, verify } = await setUp(t);
    const endAt = performance.now() + ENDING_MS;
    const sending = (async () => {
      while (performance.now() < endAt) {
        await shop.sendAll(Array.from({ length: 20 }, () => wireEvent()));
      }
    })();
    while (performance.now() < endAt) {
      await endSessions(db);
      await sleep(150 * Math.random());
    }
    await sending;
    await healthy();
    await untilStored();
    assert.equal(service.child.exitCode, null, service.output);
    await verify();
  });
});
