/** Behind PgBouncer in transaction mode everything works, and the log says what to set. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDatabase } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { NO_PGBOUNCER, startPgBouncer } from '../support/pgbouncer.ts';
import { Orderonce, portsOf, untilHealthy } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

/** 0: the system chooses the ports, because other test runs may share the machine. */
const PORTS = { producer: 0, consumer: 0 };
const EVENTS = 400;

describe('Behind PgBouncer in transaction mode', { skip: NO_PGBOUNCER }, () => {
  for (const [what, prepared, settings] of [
    ['as it comes', 'on', {}],
    ['with sessions reset between transactions', 'on', { server_reset_query_always: 1 }],
    ['with DATABASE_PREPARED_STATEMENTS=off', 'off', {}],
  ] as const) {
    it(`${what}: migrate, start and verify work [G6]`, async (t) => {
      const db = await createDatabase(t);
      await db.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      const env = {
        DATABASE_URL: await startPgBouncer(t, db.url, settings),
        DATABASE_PREPARED_STATEMENTS: prepared,
        PRODUCER_PORT: '0',
        CONSUMER_PORT: '0',
      };
      assert.equal(await new Orderonce(t, ['migrate'], env).exit(), 0);
      const service = new Orderonce(t, ['start'], env);
      Object.assign(PORTS, await portsOf(service));
      await untilHealthy(PORTS.producer);
      await untilHealthy(PORTS.consumer);
      const shop = new Shop(PORTS.producer);
      for (let sent = 0; sent < EVENTS; sent += 50) {
        await shop.sendAll(Array.from({ length: 50 }, () => wireEvent()));
      }
      await until('all are stored', async () => {
        const { rows } = await db.pool.query('SELECT count(*) AS n FROM processed_events');
        return rows[0].n === EVENTS;
      });
      await untilHealthy(PORTS.consumer);
      assert.deepEqual(Object.keys(shop.seen), ['202']);
      const verify = new Orderonce(t, ['verify', '--against-log'], env);
      assert.equal(await verify.exit(), 0, verify.output);
      const warnings = service.output.match(/DATABASE_PREPARED_STATEMENTS=off/g) ?? [];
      assert.ok(warnings.length <= (prepared === 'on' ? 1 : 0), service.output);
      t.diagnostic(`warned ${warnings.length} times`);
      assert.equal(await service.kill('SIGTERM'), 0);
    });
  }
});
