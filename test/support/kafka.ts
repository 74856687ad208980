/** The run's Kafka broker, a topic per test. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Admin, Producer } from '@platformatic/kafka';
import { Broker } from '../../dev/kafka/broker.ts';
import { createTopic } from '../../src/log/kafka-topic.ts';

/** Where the run's broker is, or undefined: then Kafka suites skip (CI fails before that). */
export const KAFKA = process.env.TEST_KAFKA;

/**
 * A broker of the test file's own, to freeze and to crash. Each file has its own port.
 * Stops after the suite.
 */
export async function ownBroker(port: number): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-broker-'));
  const broker = await Broker.start({ port, folder, mode: 'kraft' });
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
  await createTopic(options, { partitions, replicas: -1 });
  return topic;
}

/** A client of somebody else: no rules of ours. */
export function foreignProducer(bootstrap = KAFKA as string, transactionalId?: string): Producer {
  const base = {
    clientId: 'foreign',
    bootstrapBrokers: [bootstrap],
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
  const admin = new Admin({ clientId: 'test-admin', bootstrapBrokers: [bootstrap], retries: 3 });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}
