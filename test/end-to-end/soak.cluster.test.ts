/** Everything at once: brokers, services and sessions fail at random under load, and the account is right. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { judge } from '../support/checker.ts';
import { createPlacedTopic, ownCluster, untilBrokers, untilInSync } from '../support/cluster.ts';
import { asAdmin, createDatabase } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { count } from '../support/heart.ts';
import { newTopicName, readTopic } from '../support/kafka.ts';
import { LEDGER_MODULE } from '../support/ledger-module.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';
import { SteadyShop } from '../support/steady-shop.ts';
import { until } from '../support/until.ts';

const PORTS = { producer: 18_220, consumers: [18_221, 18_222] };
const SOAK_MS = Number(process.env.SOAK_SECONDS ?? 40) * 1000;
const SETTLED = { withinMs: 90_000 };
const ORDERS = 200;

const REPLICAS = [
  [1, 2, 3],
  [2, 3, 1],
  [3, 1, 2],
  [1, 3, 2],
  [2, 1, 3],
  [3, 2, 1],
];
const { cluster } = await ownCluster(22_200);

async function setUp(t: TestContext) {
  const topic = newTopicName();
  await createPlacedTopic(cluster, topic, REPLICAS);
  const db = await createDatabase(t);
  await db.pool.query(
    'CREATE TABLE ledger (event_id uuid PRIMARY KEY); CREATE TABLE fixed (n int)',
  );
  // Inside the repository, so that Node resolves "orderonce/handlers".
  const folder = await mkdtemp(join(import.meta.dirname, '.soak-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'handlers.mjs'), LEDGER_MODULE);
  const env = {
    DATABASE_URL: db.url,
    HANDLERS_MODULE: join(folder, 'handlers.mjs'),
    KAFKA_BOOTSTRAP_SERVERS: cluster.bootstrap,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP_ID: topic,
    SESSION_TIMEOUT_MS: '6000',
    HANDLER_TIMEOUT_MS: '2000',
    LOG_LEVEL: 'warn',
  };
  const start = (port: number) =>
    port === PORTS.producer
      ? new Orderonce(t, ['producer'], { ...env, PRODUCER_PORT: String(port) })
      : new Orderonce(t, ['consumer'], { ...env, CONSUMER_PORT: String(port) });
  const ports = [PORTS.producer, ...PORTS.consumers];
  const services = new Map(ports.map((port) => [port, start(port)]));
  const healthy = () => Promise.all(ports.map(untilHealthy));
  const restart = async (port: number) => {
    await services.get(port)?.kill();
    services.set(port, start(port));
  };
  return { topic, db, env, folder, services, healthy, restart };
}

type Running = Awaited<ReturnType<typeof setUp>>;
const oneOf = <T>(all: readonly T[]) => all[Math.floor(Math.random() * all.length)] as T;

const TROUBLES: Readonly<Record<string, (running: Running) => Promise<unknown>>> = {
  'a broker freezes': async () => {
    const broker = oneOf(cluster.brokers);
    await broker.freeze();
    await sleep(4000);
    broker.resume();
  },
  'a broker is killed': async () => {
    const broker = oneOf(cluster.brokers);
    await broker.crash();
    await broker.restart();
    await untilBrokers(cluster, [1, 2, 3]);
  },
  'a consumer is killed': ({ restart }) => restart(oneOf(PORTS.consumers)),
  'the producer is killed': ({ restart }) => restart(PORTS.producer),
  'all sessions are ended': ({ db }) =>
    asAdmin((admin) =>
      admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
        db.name,
      ]),
    ),
  'somebody redrives': async () => {
    const url = `http://127.0.0.1:${oneOf(PORTS.consumers)}/dead-letters/redrive?all=true`;
    await fetch(url, { method: 'POST' }).catch(() => {});
  },
};

it('loses, doubles and reorders nothing, whatever fails at random [G1] [G2] [G4] [G5] [G6]', async (t) => {
  const running = await setUp(t);
  const { topic, db, env, folder, services, healthy } = running;
  await healthy();
  const orders = Array.from({ length: ORDERS }, () => crypto.randomUUID());
  const shop = new SteadyShop(PORTS.producer, () =>
    wireEvent({
      order_id: oneOf(orders),
      total_amount: Math.random() < 0.01 ? '666' : '1.50',
    }),
  );
  t.after(() => shop.stop());
  const story: string[] = [];
  for (const endAt = Date.now() + SOAK_MS; Date.now() < endAt; ) {
    const what = oneOf(Object.keys(TROUBLES));
    story.push(what);
    await TROUBLES[what]?.(running);
    await sleep(1000 * Math.random());
  }
  t.diagnostic(story.join(', '));
  await untilInSync(cluster, topic, 3);
  await db.pool.query('INSERT INTO fixed VALUES (1)');
  await shop.finish();
  await healthy();
  const settled = async () =>
    (await count(db.pool, 'processed_events')) + (await count(db.pool, 'dead_letters'));
  const isSettled = async () => (await settled()) === shop.events.length;
  await until('everything is settled', isSettled, SETTLED);
  const parked = await count(db.pool, 'dead_letters');
  const { rows: left } = await db.pool.query(
    `SELECT count(*) AS n FROM dead_letters WHERE state = 'parked'`,
  );
  const how = ['--count', String(left[0].n), '--why', 'the soak is over'];
  const url = `http://127.0.0.1:${PORTS.consumers[0]}`;
  const redrive = new Orderonce(
    t,
    ['dead-letters', 'redrive', '--all', ...(left[0].n > 0 ? how : []), '--url', url],
    env,
  );
  assert.equal(await redrive.exit(), 0, redrive.output);
  assert.equal(await count(db.pool, 'dead_letters'), 0);
  assert.equal(await count(db.pool, 'ledger'), shop.events.length);
  const receipts = shop.accepted.map(({ event, partition, offset }) =>
    JSON.stringify({ event_id: event.event_id, partition, offset }),
  );
  await writeFile(join(folder, 'receipts'), receipts.join('\n'));
  const words = ['verify', '--against-log', '--receipts', join(folder, 'receipts')];
  const proof = new Orderonce(t, words, env);
  assert.equal(await proof.exit(), 0, proof.output);
  const { rows } = await db.pool.query<{ n: number }>(
    'SELECT sum(next_offset)::int AS n FROM consumer_positions',
  );
  const log = await readTopic(topic, rows[0]?.n ?? 0, cluster.bootstrap);
  const validIds = new Set(shop.events.map((event) => event.event_id));
  const history = { accepted: shop.accepted, rejectedIds: [], validIds, log };
  assert.deepEqual(await judge(history, db.pool), []);
  t.diagnostic(
    `${shop.events.length} events, ${log.length} records, ${parked} redriven at the end`,
  );
  for (const service of services.values()) assert.equal(await service.kill('SIGTERM'), 0);
});
