/** The primary is lost and its standby is promoted: the services find it without intervention. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { openPool } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { Orderonce, portsOf, untilHealthy } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { NO_STANDBY, Postgres } from '../support/standby.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

/** 0: the system chooses the ports, because other test runs may share the machine. */
const PORTS = { producer: 0, consumer: 0 };
const RECOVERED_MS = 30_000;
const EVENTS = 30;

async function storedIn(postgres: Postgres): Promise<number> {
  const pool = openPool(postgres.url());
  try {
    const { rows } = await pool.query<{ n: number }>('SELECT count(*) AS n FROM processed_events');
    return rows[0]?.n ?? 0;
  } finally {
    await pool.end();
  }
}

const events = () => Array.from({ length: EVENTS }, () => wireEvent());

async function setUp(t: TestContext) {
  const primary = await Postgres.start(t);
  const standby = await primary.standby(t);
  const start = async (url: string) => {
    const env = {
      DATABASE_URL: url,
      PRODUCER_PORT: '0',
      CONSUMER_PORT: '0',
    };
    const service = new Orderonce(t, ['start'], env);
    Object.assign(PORTS, await portsOf(service));
    await untilHealthy(PORTS.producer);
    await untilHealthy(PORTS.consumer);
    const shop = new Shop(PORTS.producer);
    await shop.sendAll(events());
    await until('the standby has them', async () => (await storedIn(standby)) === EVENTS);
    return { service, env, shop };
  };
  return { primary, standby, start };
}

/**
 * Waits until both services are healthy and all events are stored.
 * @returns how long it took, in ms.
 */
async function msUntilRecovered(shop: Shop, standby: Postgres, stored: number): Promise<number> {
  const started = performance.now();
  await shop.sendAll(events());
  await untilHealthy(PORTS.producer);
  await untilHealthy(PORTS.consumer);
  await until('all are stored', async () => (await storedIn(standby)) === stored);
  return Math.round(performance.now() - started);
}

describe('A failover of PostgreSQL', { skip: NO_STANDBY }, () => {
  for (const [how, signal] of [
    ['is killed', 'SIGKILL'],
    ['freezes, and thaws later', 'SIGSTOP'],
  ] as const) {
    it(`both hosts are named, the primary ${how}: work goes to the promoted standby [G6]`, async (t) => {
      const { primary, standby, start } = await setUp(t);
      // The standby comes first in the list: while it is a standby, it must not be used.
      const url = `${standby.url(primary)}?target_session_attrs=read-write`;
      const { service, env, shop } = await start(url);
      primary.signal(signal);
      standby.promote();
      const ms = await msUntilRecovered(shop, standby, 2 * EVENTS);
      t.diagnostic(`recovered ${ms} ms after the promotion`);
      assert.ok(ms < RECOVERED_MS, `recovered after ${ms} ms`);
      primary.signal('SIGCONT');
      await shop.sendAll(events());
      await until('all are stored', async () => (await storedIn(standby)) === 3 * EVENTS);
      assert.equal(await new Orderonce(t, ['verify', '--against-log'], env).exit(), 0);
      assert.equal(await service.kill('SIGTERM'), 0);
    });

    it(`a proxy leads to the other server, the primary ${how}: sessions follow [G6]`, async (t) => {
      const { primary, standby, start } = await setUp(t);
      const proxy = await TcpProxy.start(t, { host: '127.0.0.1', port: primary.port });
      const { service, env, shop } = await start(
        `postgres://postgres@127.0.0.1:${proxy.port}/postgres`,
      );
      primary.signal(signal);
      standby.promote();
      proxy.target = { host: '127.0.0.1', port: standby.port };
      const ms = await msUntilRecovered(shop, standby, 2 * EVENTS);
      t.diagnostic(`recovered ${ms} ms after the switch`);
      assert.ok(ms < RECOVERED_MS, `recovered after ${ms} ms`);
      primary.signal('SIGCONT');
      await shop.sendAll(events());
      await until('all are stored', async () => (await storedIn(standby)) === 3 * EVENTS);
      assert.equal(await new Orderonce(t, ['verify', '--against-log'], env).exit(), 0);
      assert.equal(await service.kill('SIGTERM'), 0);
    });
  }
});
