/** How long health stays red after its cause is gone: a network black hole, or a lost reply. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase, throughProxy } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { Orderonce, portsOf, untilHealthy } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

/** 0: the system chooses the ports, because other test runs may share the machine. */
const PORTS = { producer: 0, consumer: 0 };
const RED_MS = 5000;
/** Longer than every statement timeout, so that at its end only attempts to connect are pending. */
const HOLE_MS = 12_000;

async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  const { proxy, url } = await throughProxy(t, db);
  const env = {
    DATABASE_URL: url,
    PRODUCER_PORT: '0',
    CONSUMER_PORT: '0',
  };
  const service = new Orderonce(t, ['start'], env);
  Object.assign(PORTS, await portsOf(service));
  const healthy = async () => {
    for (const port of Object.values(PORTS)) await untilHealthy(port);
  };
  await healthy();
  const shop = new Shop(PORTS.producer);
  const untilStored = () =>
    until('what was accepted is stored', async () => {
      const { rows } = await db.pool.query('SELECT count(*) AS n FROM processed_events');
      return rows[0].n >= shop.accepted.length;
    });
  const send = (count: number) => shop.sendAll(Array.from({ length: count }, () => wireEvent()));
  await send(20);
  await untilStored();
  return { proxy, service, healthy, send, untilStored };
}

async function msUntil(condition: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await condition();
  return Math.round(performance.now() - started);
}

const statusOf = async (port: number) => (await fetch(`http://127.0.0.1:${port}/health`)).status;

describe('Health is green again within 5 s', () => {
  it('of the end of a black hole [G6] [G10]', async (t) => {
    const { proxy, service, healthy, send, untilStored } = await setUp(t);
    proxy.fault = () => 'swallow';
    const meanwhile = send(10);
    await sleep(HOLE_MS);
    for (const port of Object.values(PORTS)) assert.equal(await statusOf(port), 503);
    proxy.heal();
    const ms = await msUntil(healthy);
    t.diagnostic(`green after ${ms} ms`);
    assert.ok(ms < RED_MS, `green after ${ms} ms`);
    await meanwhile;
    await untilStored();
    assert.equal(await service.kill('SIGTERM'), 0);
  });

  for (const verdict of ['swallow', 'cut'] as const) {
    it(`of the loss of a reply to COMMIT (${verdict}), though nothing more is sent [G6] [G10]`, async (t) => {
      const { proxy, service, healthy, send, untilStored } = await setUp(t);
      let [isAsked, lost] = [false, 0];
      proxy.fault = (direction, chunk) => {
        if (direction === 'up') isAsked ||= chunk.includes('COMMIT\0');
        else if (isAsked && lost < 3) {
          isAsked = false;
          lost++;
          return verdict;
        }
        return 'pass';
      };
      const sending = send(3);
      let redMs = 0;
      // Health may turn red only after the loss has been detected.
      let endAt = Number.POSITIVE_INFINITY;
      while (performance.now() < endAt) {
        if (lost === 3) endAt = Math.min(endAt, performance.now() + 2 * RED_MS);
        const before = performance.now();
        const statuses = await Promise.all(Object.values(PORTS).map(statusOf));
        await sleep(50);
        if (statuses.includes(503)) redMs += performance.now() - before;
      }
      t.diagnostic(`red for ${Math.round(redMs)} ms`);
      assert.ok(redMs < RED_MS, `red for ${redMs} ms`);
      await healthy();
      await sending;
      await untilStored();
      assert.equal(await service.kill('SIGTERM'), 0);
    });
  }
});
