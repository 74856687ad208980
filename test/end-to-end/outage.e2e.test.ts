/** Outages of Kafka and PostgreSQL, as users of the services see them. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createDatabase } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { KAFKA, newTopicName, ownBroker } from '../support/kafka.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const PORTS = { producer: 18_110, consumer: 18_111 };
const DEADLINE_MS = 1500;
/** Time beyond the deadline, for the sweep that finds late events, and for a slow machine. */
const GRACE_MS = 1500;

async function health(port: number): Promise<{ status: number; detail: string }> {
  const answer = await fetch(`http://127.0.0.1:${port}/health`);
  const { detail = '' } = (await answer.json()) as { detail?: string };
  return { status: answer.status, detail };
}

const untilUnhealthy = (port: number, reason: RegExp) =>
  until(`port ${port} is unhealthy: ${reason}`, async () => {
    const { status, detail } = await health(port);
    return status === 503 && reason.test(detail);
  });

async function post(event = wireEvent()): Promise<{ status: number; ms: number }> {
  const started = performance.now();
  const answer = await fetch(`http://127.0.0.1:${PORTS.producer}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });
  await answer.text();
  return { status: answer.status, ms: performance.now() - started };
}

async function setUp(t: TestContext, bootstrap: string) {
  const { pool, url } = await createDatabase(t);
  const { hostname: host, port } = new URL(url);
  const proxy = await TcpProxy.start(t, { host, port: Number(port) });
  const proxied = new URL(url);
  proxied.port = String(proxy.port);
  const env = {
    DATABASE_URL: proxied.href,
    KAFKA_BOOTSTRAP_SERVERS: bootstrap,
    KAFKA_TOPIC: newTopicName(),
    DELIVERY_DEADLINE_MS: String(DEADLINE_MS),
    PRODUCER_PORT: String(PORTS.producer),
    CONSUMER_PORT: String(PORTS.consumer),
  };
  const stored = async () => {
    const { rows } = await pool.query<{ n: number }>('SELECT count(*) AS n FROM processed_events');
    return rows[0]?.n;
  };
  return { pool, proxy, env, stored };
}

if (KAFKA !== undefined) {
  describe('Outages', () => {
    it('Kafka away: 500 within the deadline, health 503, recovery without a restart [G6] [G9] [G10]', async (t) => {
      const broker = await ownBroker(19_592);
      const { pool, env } = await setUp(t, broker.bootstrap);
      new Orderonce(t, ['start'], env);
      await untilHealthy(PORTS.producer);
      await untilHealthy(PORTS.consumer);
      const first = wireEvent();
      assert.equal((await post(first)).status, 202);

      await broker.freeze();
      const unknown = wireEvent();
      for (const event of [unknown, wireEvent(), wireEvent()]) {
        const { status, ms } = await post(event);
        assert.equal(status, 500);
        assert.ok(ms < DEADLINE_MS + GRACE_MS, `answered after ${ms} ms`);
      }
      await untilUnhealthy(PORTS.producer, /Kafka|log/);
      broker.resume();
      await untilHealthy(PORTS.producer);
      // The event is sent again after the outage. Whether or not the first one arrived, it has one
      // effect.
      assert.equal((await post(unknown)).status, 202);
      // The other events may be in the log too: their outcome is unknown, and they are not resent.
      await until('both are stored', async () => {
        const ids = [first.event_id, unknown.event_id];
        const text = 'SELECT FROM processed_events WHERE event_id = ANY ($1::uuid[])';
        return (await pool.query(text, [ids])).rowCount === 2;
      });

      await broker.crash();
      await untilUnhealthy(PORTS.producer, /Kafka|log/);
      await untilUnhealthy(PORTS.consumer, /LOG_UNAVAILABLE/);
      assert.equal((await post()).status, 500);
      await broker.restart();
      await untilHealthy(PORTS.producer);
      await untilHealthy(PORTS.consumer);
      assert.equal((await post()).status, 202);
    });

    it('PostgreSQL away: the API keeps accepting, nothing is parked, the backlog is drained [G6]', async (t) => {
      const { pool, proxy, env, stored } = await setUp(t, KAFKA as string);
      const service = new Orderonce(t, ['start'], env);
      await untilHealthy(PORTS.producer);
      await untilHealthy(PORTS.consumer);
      proxy.refuse();
      await untilUnhealthy(PORTS.consumer, /Database/);
      for (let i = 0; i < 200; i++) assert.equal((await post()).status, 202);
      assert.equal((await health(PORTS.producer)).status, 200);
      proxy.heal();
      await until('the backlog is drained', async () => (await stored()) === 200);
      await untilHealthy(PORTS.consumer);
      const { rows } = await pool.query('SELECT FROM dead_letters');
      assert.equal(rows.length, 0);
      assert.equal(await service.kill('SIGTERM'), 0);
    });

    it('services wait for tables and topic, and say for what [G10]', async (t) => {
      const { pool, env } = await setUp(t, KAFKA as string);
      await pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      const producer = new Orderonce(t, ['producer'], env);
      const consumer = new Orderonce(t, ['consumer'], env);
      await untilUnhealthy(PORTS.producer, /does not exist: run "orderonce migrate"/);
      await untilUnhealthy(PORTS.consumer, /lacks .*: run "orderonce migrate"/);
      // Two migrations at the same time: one creates everything, the other finds it.
      const both = [new Orderonce(t, ['migrate'], env), new Orderonce(t, ['migrate'], env)];
      assert.deepEqual(await Promise.all(both.map((migrate) => migrate.exit())), [0, 0]);
      await untilHealthy(PORTS.producer);
      await untilHealthy(PORTS.consumer);
      for (const service of [producer, consumer]) assert.equal(await service.kill('SIGTERM'), 0);
    });

    it('SIGTERM ends the process within 8 s though the broker hangs [G10]', async (t) => {
      const broker = await ownBroker(19_692);
      const { env } = await setUp(t, broker.bootstrap);
      const service = new Orderonce(t, ['start'], env);
      await untilHealthy(PORTS.producer);
      await untilHealthy(PORTS.consumer);
      await broker.freeze();
      const hanging = post();
      await until('the append is under way', async () => {
        const answer = await fetch(`http://127.0.0.1:${PORTS.producer}/health`);
        return ((await answer.json()) as { queued: number }).queued === 1;
      });
      const started = performance.now();
      assert.equal(await service.kill('SIGTERM'), 0);
      assert.ok(performance.now() - started < 8000);
      assert.equal((await hanging).status, 500);
      broker.resume();
    });
  });
}
