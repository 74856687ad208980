/** Three brokers under load: leaders, the coordinator and the controller die, freeze and move. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Cluster } from '../../dev/kafka/cluster.ts';
import { judge } from '../support/checker.ts';
import {
  controllerOf,
  coordinatorOf,
  createPlacedTopic,
  leadersOf,
  movePartition,
  ownCluster,
  untilBrokers,
  untilInSync,
} from '../support/cluster.ts';
import { createDatabase } from '../support/database.ts';
import { startJavaProducer } from '../support/java-steady-producer.ts';
import { newTopicName, readTopic } from '../support/kafka.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';
import { SteadyShop } from '../support/steady-shop.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const PORTS = { producer: 18_210, consumer: 18_211 };
/** Everything must work again within this time after the end of any failure. */
const RECOVERED_MS = 30_000;
/** While a failure lasts and other brokers can take over: the time that Kafka needs for that. */
const TAKEN_OVER_MS = 15_000;
/** How much longer an answer over HTTP may take than one to the Java client, on a busy machine. */
const HTTP_MS = 2000;
/** Longer than a session of the consumer group and than any request. */
const SILENT_MS = 25_000;
const ALL = [0, 1, 2, 3, 4, 5];

/** A running deployment under load. The checker examines it at the end of the test. */
async function setUp(
  t: TestContext,
  cluster: Cluster,
  replicas: readonly (readonly number[])[],
  bootstrap = cluster.bootstrap,
) {
  const topic = newTopicName();
  await createPlacedTopic(cluster, topic, replicas);
  const { pool, url } = await createDatabase(t);
  const env = {
    DATABASE_URL: url,
    KAFKA_BOOTSTRAP_SERVERS: bootstrap,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP_ID: topic,
    SESSION_TIMEOUT_MS: '6000',
    PRODUCER_PORT: String(PORTS.producer),
    CONSUMER_PORT: String(PORTS.consumer),
  };
  const services = [new Orderonce(t, ['producer'], env), new Orderonce(t, ['consumer'], env)];
  await untilHealthy(PORTS.producer);
  await untilHealthy(PORTS.consumer);
  const shop = new SteadyShop(PORTS.producer);
  t.after(() => shop.stop());
  const everywhere = replicas.map((_, partition) => partition);
  await shop.untilAcknowledged(everywhere, RECOVERED_MS);

  /** Resolves when each of these partitions has processed another record. */
  const untilProcessed = async (partitions: readonly number[], withinMs: number) => {
    const read = async () => {
      const { rows } = await pool.query<{ partition: number; next: number }>(
        'SELECT log_partition AS partition, next_offset AS next FROM consumer_positions',
      );
      return new Map(rows.map(({ partition, next }) => [partition, next]));
    };
    const before = await read();
    await until(
      `partitions ${partitions} are processed`,
      async () => {
        const now = await read();
        return partitions.every((p) => (now.get(p) ?? 0) > (before.get(p) ?? 0));
      },
      { withinMs },
    );
  };

  const assertNothingLost = async () => {
    await shop.finish();
    await untilHealthy(PORTS.producer);
    await untilHealthy(PORTS.consumer);
    const log = await readTopic(topic, shop.accepted.length, cluster.bootstrap);
    await until('everything is processed', async () => {
      const { rows } = await pool.query<{ n: number }>(
        'SELECT count(*) AS n FROM processed_events',
      );
      return rows[0]?.n === shop.events.length;
    });
    const validIds = new Set(shop.events.map((event) => event.event_id));
    // The log may hold more records than accepted events: an event that was answered 500 may be in
    // it twice. So the positions say how many records to read.
    const { rows } = await pool.query<{ n: number }>(
      'SELECT sum(next_offset)::int AS n FROM consumer_positions',
    );
    const whole =
      log.length === rows[0]?.n ? log : await readTopic(topic, rows[0]?.n ?? 0, cluster.bootstrap);
    const history = { accepted: shop.accepted, rejectedIds: [], validIds, log: whole };
    assert.deepEqual(await judge(history, pool), []);
    const { rows: letters } = await pool.query('SELECT FROM dead_letters');
    assert.equal(letters.length, 0, 'outages park nothing');
    const proof = new Orderonce(t, ['verify', '--against-log'], env);
    assert.equal(await proof.exit(), 0, proof.output);
    for (const service of services) assert.equal(await service.kill('SIGTERM'), 0);
  };
  return { env, topic, shop, untilProcessed, assertNothingLost };
}

/** Six partitions with replicas on all three brokers, two led by each broker. */
const EVERYWHERE = [
  [1, 2, 3],
  [2, 3, 1],
  [3, 1, 2],
  [1, 3, 2],
  [2, 1, 3],
  [3, 2, 1],
];

const { cluster, proxies } = await ownCluster(22_092);

describe('Three brokers', () => {
  it('a killed and a frozen leader are replaced as soon as for the Java client; nothing stays stuck [G1] [G5] [G9]', async (t) => {
    const { topic, shop, untilProcessed, assertNothingLost } = await setUp(t, cluster, EVERYWHERE);
    const beside = `${topic}_java`;
    await createPlacedTopic(cluster, beside, EVERYWHERE);
    const java = await startJavaProducer(t, cluster.bootstrap, beside, ALL.length);
    const started = Date.now();
    await until('Java is at work', () => ALL.every((p) => java.hasSince(p, started)));
    /**
     * Waits until the Java client works again, and compares the longest gaps of both. Ours may be
     * 1.5 times as long, plus the time that HTTP adds.
     */
    const compare = async (what: string, since: number) => {
      await until(`Java has passed: ${what}`, () =>
        ALL.every((p) => java.hasSince(p, Date.now() - 500)),
      );
      const [ours, theirs] = [shop.acknowledged, java].map((a) => a.longestGap(ALL, since)) as [
        number,
        number,
      ];
      t.diagnostic(`${what}: longest gap ${ours} ms, of the Java client ${theirs} ms`);
      assert.ok(ours <= 1.5 * theirs + HTTP_MS, `${what}: ${ours} ms against ${theirs} ms`);
    };

    const killedAt = Date.now();
    const [leader] = await leadersOf(cluster, topic);
    await cluster.broker(leader ?? 1).crash();
    await shop.untilAcknowledged(ALL, TAKEN_OVER_MS);
    await untilProcessed(ALL, TAKEN_OVER_MS);
    await compare('killed', killedAt);
    await cluster.broker(leader ?? 1).restart();
    await untilBrokers(cluster, [1, 2, 3]);
    await shop.untilAcknowledged(ALL, RECOVERED_MS);

    const [, second] = await leadersOf(cluster, topic);
    const frozen = cluster.broker(second ?? 2);
    const frozenAt = Date.now();
    await frozen.freeze();
    t.after(() => frozen.resume());
    await shop.untilAcknowledged(ALL, TAKEN_OVER_MS);
    await untilProcessed(ALL, TAKEN_OVER_MS);
    await until('it was frozen for 30 s', () => Date.now() - frozenAt > 30_000);
    await shop.untilAcknowledged(ALL, TAKEN_OVER_MS);
    await compare('frozen', frozenAt);
    frozen.resume();
    await shop.untilAcknowledged(ALL, RECOVERED_MS);
    await untilProcessed(ALL, RECOVERED_MS);
    await assertNothingLost();
  });

  it('a rolling restart, moved leaders, coordinator and controller are passed without getting stuck [G1] [G5] [G9]', async (t) => {
    const { topic, shop, untilProcessed, assertNothingLost } = await setUp(t, cluster, EVERYWHERE);
    for (const broker of cluster.brokers) {
      await broker.stop();
      await shop.untilAcknowledged(ALL, TAKEN_OVER_MS);
      await broker.restart();
      await untilBrokers(cluster, [1, 2, 3]);
      await untilInSync(cluster, topic, 3);
      await shop.untilAcknowledged(ALL, RECOVERED_MS);
    }
    await untilProcessed(ALL, RECOVERED_MS);
    const [first, second] = await leadersOf(cluster, topic);
    const without = (id: number | null | undefined) => [1, 2, 3].filter((other) => other !== id);
    await movePartition(cluster, topic, 0, without(first));
    await movePartition(cluster, topic, 1, without(second));
    // Back to three replicas: with only two, none of them could be lost in the next step.
    for (const partition of [0, 1]) await movePartition(cluster, topic, partition, [1, 2, 3]);
    await shop.untilAcknowledged(ALL, TAKEN_OVER_MS);
    await untilProcessed(ALL, TAKEN_OVER_MS);

    const roles = {
      coordinator: () => coordinatorOf(cluster, topic),
      controller: () => controllerOf(cluster),
    };
    for (const [role, find] of Object.entries(roles)) {
      await untilInSync(cluster, topic, 3);
      const broker = cluster.broker(await find());
      await broker.crash();
      t.diagnostic(`${role} killed: ${await shop.untilAcknowledged(ALL, TAKEN_OVER_MS)} ms`);
      await untilProcessed(ALL, TAKEN_OVER_MS);
      await broker.restart();
      await untilBrokers(cluster, [1, 2, 3]);
      await untilInSync(cluster, topic, 3);
    }
    await assertNothingLost();
  });

  it('two of three brokers down: everything is taken again within 30 s of their return [G1] [G6] [G9]', async (t) => {
    const { shop, untilProcessed, assertNothingLost } = await setUp(t, cluster, EVERYWHERE);
    await Promise.all([cluster.broker(1).crash(), cluster.broker(2).crash()]);
    await until('health says so', async () => {
      const answer = await fetch(`http://127.0.0.1:${PORTS.producer}/health`);
      return answer.status === 503;
    });
    await Promise.all([cluster.broker(1).restart(), cluster.broker(2).restart()]);
    await untilBrokers(cluster, [1, 2, 3]);
    t.diagnostic(`back: ${await shop.untilAcknowledged(ALL, RECOVERED_MS)} ms`);
    await untilProcessed(ALL, RECOVERED_MS);
    await assertNothingLost();
  });
});

/** Kills broker 1. Partitions that only it can serve are unavailable until it returns. */
const loseBroker = async (
  t: TestContext,
  replicas: readonly (readonly number[])[],
  suffering: readonly number[],
) => {
  const { env, shop, untilProcessed, assertNothingLost } = await setUp(t, cluster, replicas);
  const well = ALL.filter((partition) => !suffering.includes(partition));
  await cluster.broker(1).crash();
  await shop.untilAcknowledged(well, TAKEN_OVER_MS);
  const since = Date.now();
  for (let round = 0; round < 10; round++) {
    await shop.untilAcknowledged(well, 5000);
    await untilProcessed(well, 5000);
  }
  t.diagnostic(`longest gap of the others: ${shop.acknowledged.longestGap(well, since)} ms`);
  const named = new RegExp(`[Pp]artitions? .*\\b${suffering[0]}\\b`);
  await until('health names a partition', async () => {
    const answer = await fetch(`http://127.0.0.1:${PORTS.producer}/health`);
    const ready = await fetch(`http://127.0.0.1:${PORTS.producer}/health/ready`);
    const { detail = '' } = (await answer.json()) as { detail?: string };
    return answer.status === 503 && named.test(detail) && ready.status === 200;
  });
  // A command that needs every partition waits for those that suffer.
  const proof = new Orderonce(t, ['verify', '--against-log'], env);
  await cluster.broker(1).restart();
  t.diagnostic(`back: ${await shop.untilAcknowledged(ALL, RECOVERED_MS)} ms`);
  await untilProcessed(ALL, RECOVERED_MS);
  assert.equal(await proof.exit(), 0, proof.output);
  await assertNothingLost();
};

describe('A partition that is not available', () => {
  it('having no leader: the others are taken and processed meanwhile, and health names it [G5] [G6]', (t) =>
    loseBroker(t, [[1], [2], [3], [1], [2], [3]], [0, 3]));

  it('having fewer replicas than min.insync.replicas: the others are taken and processed meanwhile, and health names it [G5] [G6]', (t) =>
    loseBroker(
      t,
      [
        [1, 2],
        [2, 3],
        [3, 1],
        [1, 3],
        [2, 3],
        [3, 2],
      ],
      [0, 2, 3],
    ));

  it('led by a broker that its clients cannot reach: the others are taken and processed meanwhile [G5] [G6]', async (t) => {
    const bootstrap = proxies.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const set = await setUp(t, cluster, EVERYWHERE, bootstrap);
    const { topic, shop, untilProcessed, assertNothingLost } = set;
    // The coordinator is the worst broker to lose: the heartbeats of the consumer go there too.
    const silent = await coordinatorOf(cluster, topic);
    const leaders = await leadersOf(cluster, topic);
    const well = ALL.filter((partition) => leaders[partition] !== silent);
    const proxy = proxies[silent - 1] as TcpProxy;
    // The broker accepts connections and bytes, but never answers.
    proxy.fault = () => 'swallow';
    t.after(() => proxy.heal());
    const since = Date.now();
    while (Date.now() - since < SILENT_MS) {
      await shop.untilAcknowledged(well, TAKEN_OVER_MS);
      await untilProcessed(well, TAKEN_OVER_MS);
    }
    t.diagnostic(`longest gap of the others: ${shop.acknowledged.longestGap(well, since)} ms`);
    proxy.heal();
    t.diagnostic(`back: ${await shop.untilAcknowledged(ALL, RECOVERED_MS)} ms`);
    await untilProcessed(ALL, RECOVERED_MS);
    await assertNothingLost();
  });
});
