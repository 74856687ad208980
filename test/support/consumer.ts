/** A consumer in this process, on a real broker and database; and helpers that fill its topics. */

import type { TestContext } from 'node:test';
import { Consumer } from '../../src/consume/consumer.ts';
import { Turns } from '../../src/consume/turns.ts';
import { UNDECLARED } from '../../src/event/event-rules.ts';
import { NO_HANDLERS } from '../../src/handlers/run-handlers.ts';
import { ParkGuard } from '../../src/inbox/park-guard.ts';
import { KafkaReader } from '../../src/log-kafka/reader.ts';
import { createTopic } from '../../src/log-kafka/topic.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { ORDERS } from '../../src/store/orders-projection.ts';
import type { TestDatabase } from './database.ts';
import { wireEvent } from './events.ts';
import { foreignProducer, KAFKA, withAdmin } from './kafka.ts';
import { until } from './until.ts';

const LIMITS = { lockMs: 2000, statementMs: 5000, idleMs: 3000 };

/** A reader, which is closed after the test. It joins no group unless join() is called. */
export function newReader(
  t: TestContext,
  topic: string,
  { groupId = topic, bootstrap = KAFKA as string } = {},
): KafkaReader {
  const options = { bootstrapServers: bootstrap, topic, clientId: 'test' };
  const reader = new KafkaReader({ ...options, groupId, sessionTimeoutMs: 3000 });
  t.after(() => reader.close(1000));
  return reader;
}

/** Starts a consumer, which is stopped after the test. */
export function startConsumer(
  t: TestContext,
  db: TestDatabase,
  topic: string,
  options: { groupId?: string; bootstrap?: string; reader?: KafkaReader } = {},
): Consumer {
  const consumer = new Consumer({
    reader: options.reader ?? newReader(t, topic, options),
    pool: db.pool,
    limits: LIMITS,
    owner: 'test',
    handlers: NO_HANDLERS,
    parkGuard: new ParkGuard(100),
    rules: UNDECLARED,
    projection: ORDERS,
    turns: new Turns({ connections: 2, batchMax: 500 }),
    batchMax: 500,
    logger: createLogger('silent'),
  });
  void consumer.start();
  t.after(() => consumer.stop(3000));
  return consumer;
}

/** Writes values to the topic, as any client of the topic may. */
export async function produce(
  topic: string,
  values: { key?: string; value: string; partition?: number }[],
  bootstrap = KAFKA as string,
): Promise<void> {
  const producer = foreignProducer(bootstrap);
  await producer.send({
    messages: values.map(({ key = 'k', value, partition }) => ({
      topic,
      key: Buffer.from(key),
      value: Buffer.from(value),
      ...(partition === undefined ? {} : { partition }),
    })),
  });
  await producer.close();
}

export async function produceEvents(topic: string, count: number, partition = 0): Promise<void> {
  const events = Array.from({ length: count }, () => wireEvent());
  await produce(
    topic,
    events.map((event) => ({ key: event.order_id, value: JSON.stringify(event), partition })),
  );
}

/** Deletes the topic and creates it again, with 30 events. */
export async function recreateTopic(topic: string): Promise<void> {
  await withAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
  const options = { bootstrapServers: KAFKA as string, topic, clientId: 'test' };
  await until('the topic is created again', () =>
    createTopic(options, { partitions: 1, replicas: -1 }),
  );
  await until('the topic holds records', async () => {
    await produceEvents(topic, 30);
    return true;
  });
}

/** Removes all records before `offset`, as retention does. */
export async function cutStart(topic: string, partition: number, offset: number): Promise<void> {
  const partitions = [{ partition, offset: BigInt(offset) }];
  await withAdmin((admin) => admin.deleteRecords({ topics: [{ name: topic, partitions }] }));
}

export async function rowsIn(db: TestDatabase, table: string): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(`SELECT count(*) AS n FROM ${table}`);
  return rows[0]?.n ?? -1;
}

export const untilStored = (db: TestDatabase, n: number) =>
  until(`${n} events stored`, async () => (await rowsIn(db, 'processed_events')) === n);
