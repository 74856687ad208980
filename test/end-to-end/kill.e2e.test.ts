/**
 * Sends 10,000 events with resends, conflicts and invalid ones by HTTP, and events of other clients
 * and garbage directly to the topic, while consumer, producer, broker and PostgreSQL are killed in
 * turn. The checker, which shares no code with the product, then examines the tables.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Broker } from '../../dev/kafka/broker.ts';
import { startEmbeddedPostgres } from '../../src/embedded/embedded-postgres.ts';
import { type History, judge } from '../support/checker.ts';
import { openPool } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { foreignProducer, KAFKA, ownBroker, readTopic, withAdmin } from '../support/kafka.ts';
import { EVENTS, type Load, makeLoad } from '../support/load.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const TOPIC = 'order_events';
const PORTS = { producer: 18_100, consumers: [18_101, 18_102] };

/** A PostgreSQL that can be killed and started again behind one address. */
async function mortalPostgres(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-mortal-'));
  const start = () => startEmbeddedPostgres(folder, () => {});
  let running = await start();
  const proxy = await TcpProxy.start(t, { host: '127.0.0.1', port: running.port });
  t.after(async () => {
    await running.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const url = new URL(running.url);
  url.port = String(proxy.port);
  return {
    url: url.href,
    kill: async () => {
      const pidFile = await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8');
      process.kill(Number(pidFile.split('\n')[0]), 'SIGKILL');
      await running.died;
    },
    restart: async () => {
      running = await until('PostgreSQL starts again', start);
      proxy.target = { host: '127.0.0.1', port: running.port };
    },
  };
}

/** Writes to the topic as another team's client: valid events, resends of ours, and garbage. */
async function meddle(bootstrap: string, load: Load, from: number): Promise<void> {
  const producer = foreignProducer(bootstrap);
  const own = Array.from({ length: 20 }, () => wireEvent());
  for (const event of own) load.validIds.add(event.event_id);
  const resent = load.events.slice(from, from + 20).filter((event) => event.total_amount !== '-1');
  const values: (Buffer | null)[] = [
    ...[...own, ...resent].map((event) => Buffer.from(JSON.stringify(event))),
    Buffer.from('not json'),
    Buffer.from([0xff, 0x00, 0xfe]),
    Buffer.from('{"event_id":"x"}'),
    Buffer.from(''),
    null,
  ];
  await producer.send({
    messages: values.map((value) => ({
      topic: TOPIC,
      key: Buffer.from('foreign'),
      value,
    })) as never,
  });
  await producer.close();
}

async function recordsIn(bootstrap: string): Promise<number> {
  const offsets = await withAdmin(
    (admin) =>
      admin.listOffsets({
        topics: [
          {
            name: TOPIC,
            partitions: Array.from({ length: 6 }, (_, i) => ({
              partitionIndex: i,
              timestamp: -1n,
            })),
          },
        ],
      }),
    bootstrap,
  );
  return offsets.flatMap((topic) => topic.partitions).reduce((sum, p) => sum + Number(p.offset), 0);
}

async function setUp(t: TestContext, broker: Broker) {
  const postgres = await mortalPostgres(t);
  const env = {
    DATABASE_URL: postgres.url,
    KAFKA_BOOTSTRAP_SERVERS: broker.bootstrap,
    SESSION_TIMEOUT_MS: '3000',
    DELIVERY_DEADLINE_MS: '2000',
  };
  assert.equal(await new Orderonce(t, ['migrate'], env).exit(), 0);
  const [firstPort, secondPort] = PORTS.consumers.map(String) as [string, string];
  const startProducer = () =>
    new Orderonce(t, ['producer'], { ...env, PRODUCER_PORT: String(PORTS.producer) });
  const startConsumer = (port: string) =>
    new Orderonce(t, ['consumer'], { ...env, CONSUMER_PORT: port });
  return { postgres, firstPort, secondPort, startProducer, startConsumer };
}

if (KAFKA !== undefined) {
  describe('Kills in the middle of 10,000 events', () => {
    it('lose nothing, double nothing, and keep each order’s order [G1] [G2] [G3] [G4] [G5] [G6] [G7] [G9]', async (t) => {
      const broker = await ownBroker(19_492);
      const { postgres, firstPort, secondPort, startProducer, startConsumer } = await setUp(
        t,
        broker,
      );
      let producer = startProducer();
      let consumer = startConsumer(firstPort);
      const second = startConsumer(secondPort);
      await untilHealthy(PORTS.producer);
      const load = makeLoad();
      const shop = new Shop(PORTS.producer);
      const sending = shop.sendAll(load.events);
      const sent = (share: number) =>
        until(`${share} of all are accepted`, () => shop.accepted.length > EVENTS * share);

      await sent(0.1);
      await consumer.kill();
      await meddle(broker.bootstrap, load, 100);
      await sent(0.25);
      consumer = startConsumer(firstPort);
      await sent(0.35);
      await producer.kill();
      producer = startProducer();
      await sent(0.5);
      await broker.crash();
      await broker.restart();
      await sent(0.65);
      await postgres.kill();
      await meddle(broker.bootstrap, load, 3000);
      await sent(0.8);
      await postgres.restart();
      consumer.child.kill('SIGSTOP');
      await sent(0.9);
      consumer.child.kill('SIGCONT');
      await sending;

      const records = await recordsIn(broker.bootstrap);
      const history: History = {
        accepted: shop.accepted,
        rejectedIds: shop.rejectedIds,
        validIds: load.validIds,
        log: await readTopic(TOPIC, records, broker.bootstrap),
      };
      const db = openPool(postgres.url);
      t.after(() => db.end());
      await until('the consumers reach the end', async () => {
        const { rows } = await db.query(
          'SELECT sum(next_offset)::int AS n FROM consumer_positions',
        );
        return rows[0].n === records;
      });
      assert.deepEqual(await judge(history, db), []);
      const parked = await db.query('SELECT count(*)::int AS n FROM dead_letters');
      assert.equal(parked.rows[0].n, 10, 'only the garbage is parked: outages park nothing');
      assert.ok((shop.seen['500'] ?? 0) + (shop.seen.broken ?? 0) > 0, 'the kills were felt');
      for (const port of [PORTS.producer, ...PORTS.consumers]) await untilHealthy(port);
      for (const service of [producer, consumer, second]) {
        assert.equal(await service.kill('SIGTERM'), 0);
      }
    });
  });
}
