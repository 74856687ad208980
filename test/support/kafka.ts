/** The run's Kafka broker, a topic per test. */
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

/** Where the run's broker is, or undefined: then Kafka suites skip (CI fails before that). */
export const KAFKA = process.env.TEST_KAFKA;

/** Which Kafka the run is about. */
export const MODE = (process.env.TEST_KAFKA_MODE ?? 'kraft') as BrokerMode;

/**
 * A broker of the test file's own, to freeze and to crash. Each file has its own port.
 * Stops after the suite.
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
  // A broker that was frozen is no broker to its controller until its next heartbeat.
  await until('the topic is made', async () => {
    await createTopic(options, { partitions, replicas: -1 });
    return true;
  });
  // A broker that was just away may be a moment behind its controller.
  await until('the topic is known', () =>
    withAdmin(
      async (admin) => (await admin.metadata({ topics: [topic] })).topics.has(topic),
      bootstrap,
    ),
  );
  return topic;
}

/** A client of somebody else: no rules of ours. */
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

/** A topic from its start, read by the client's own stream: nothing of ours in between. */
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
  await consumer.close(true);
  return records;
}

/** So many records of it. */
export async function readTopic(
  topic: string,
  count: number,
  bootstrap = KAFKA as string,
): Promise<LoggedRecord[]> {
  return await readRecords(topic, (records) => records.length >= count, bootstrap);
}
