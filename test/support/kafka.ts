/** The Kafka broker of the test run, with a topic for each test. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Admin, Consumer, Producer } from '@platformatic/kafka';
import { Broker } from '../../dev/kafka/broker.ts';
import type { BrokerMode } from '../../dev/kafka/options.ts';
import { createTopic } from '../../src/log-kafka/topic.ts';
import type { LoggedRecord } from './checker.ts';
import { until } from './until.ts';

/** Address of the broker. If undefined, Kafka suites are skipped (in CI the run fails earlier). */
export const KAFKA = process.env.TEST_KAFKA;

/** The kind of Kafka that the run tests. */
export const MODE = (process.env.TEST_KAFKA_MODE ?? 'kraft') as BrokerMode;

/**
 * A broker for one test file, which may freeze and crash it. It stops after the suite.
 * @param port each test file must use another port.
 */
export async function ownBroker(port: number): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-broker-'));
  const broker = await Broker.start({ port, folder, mode: MODE });
  after(async () => {
    await broker.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return broker;
}

export function newTopicName(): string {
  return `orders_${randomBytes(5).toString('hex')}`;
}

export async function newTopic(partitions: number, bootstrap = KAFKA as string): Promise<string> {
  const topic = newTopicName();
  const options = { bootstrapServers: bootstrap, topic, clientId: 'test' };
  // After a freeze, the controller does not know the broker until its next heartbeat.
  await until('the topic is created', async () => {
    await createTopic(options, { partitions, replicas: -1 });
    return true;
  });
  await untilKnown(topic, bootstrap);
  return topic;
}

/** Brokers learn of a new topic a moment after the controller has created it. */
export async function untilKnown(topic: string, bootstrap: string): Promise<void> {
  await until('the topic is known', () =>
    withAdmin(
      async (admin) => (await admin.metadata({ topics: [topic] })).topics.has(topic),
      bootstrap,
    ),
  );
}

/** A producer of another team, which follows none of our rules. */
export function foreignProducer(bootstrap = KAFKA as string, transactionalId?: string): Producer {
  const base = {
    clientId: 'foreign',
    bootstrapBrokers: bootstrap.split(','),
    acks: -1,
    autocreateTopics: false,
  };
  return transactionalId === undefined
    ? new Producer(base)
    : new Producer({ ...base, idempotent: true, transactionalId });
}

export async function withAdmin<T>(
  work: (admin: Admin) => Promise<T>,
  bootstrap = KAFKA as string,
): Promise<T> {
  const admin = new Admin({
    clientId: 'test-admin',
    bootstrapBrokers: bootstrap.split(','),
    retries: 3,
  });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

export type ReadRecord = LoggedRecord & {
  readonly key: Buffer | null;
  readonly headers: ReadonlyMap<string, string>;
};

/**
 * Reads a topic from its start with the stream of the client library, without code of the product.
 */
export async function readRecords(
  topic: string,
  isEnough: (records: readonly ReadRecord[]) => boolean,
  bootstrap = KAFKA as string,
): Promise<ReadRecord[]> {
  const consumer = new Consumer({
    clientId: 'judge',
    groupId: `judge-${topic}`,
    bootstrapBrokers: bootstrap.split(','),
  });
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'earliest',
    fallbackMode: 'earliest',
    autocommit: false,
    maxWaitTime: 100,
  });
  const records: ReadRecord[] = [];
  for await (const { partition, offset, key, value, headers } of stream) {
    records.push({
      partition,
      offset: Number(offset),
      key: key ?? null,
      value: value ?? null,
      headers: new Map([...headers].map(([name, content]) => [String(name), String(content)])),
    });
    if (isEnough(records)) break;
  }
  // What was read counts, whatever becomes of the membership: a coordinator may just have moved.
  await consumer.close(true).catch(() => {});
  return records;
}

/** Reads the first `count` records of a topic. */
export async function readTopic(
  topic: string,
  count: number,
  bootstrap = KAFKA as string,
): Promise<LoggedRecord[]> {
  return await readRecords(topic, (records) => records.length >= count, bootstrap);
}
