/**
 * Measures Kafka with the client of this project, without HTTP and without a database: appends
 * records, then fetches and decodes them. It runs in its own process to measure its CPU time.
 *
 *   kafka.ts BOOTSTRAP TOPIC EVENTS   → one JSON line: rates, and CPU in us per event
 */
import { UNDECLARED } from '../src/event/event-rules.ts';
import { decodeRecords } from '../src/log/decoded-record.ts';
import type { AppendRecord } from '../src/log/event-log.ts';
import { KafkaAppender } from '../src/log-kafka/appender.ts';
import { KafkaReader } from '../src/log-kafka/reader.ts';
import { createTopic } from '../src/log-kafka/topic.ts';
import { recordSource } from './mixes.ts';

const PARTITIONS = 6;
const APPEND_BATCH = 1000;

async function measure(bootstrap: string, topic: string, events: number) {
  const options = { bootstrapServers: bootstrap, topic, clientId: 'bench' };
  await createTopic(options, { partitions: PARTITIONS, replicas: -1 });
  const next = recordSource('distinct');
  const records = Array.from({ length: events }, next);
  const append = await timed(events, () => appendAll(options, records));
  const read = await timed(events, () => readAll(options, events));
  return {
    append_per_second: append.perSecond,
    append_cpu_us: append.cpuUs,
    read_per_second: read.perSecond,
    read_cpu_us: read.cpuUs,
  };
}

type KafkaPlace = { bootstrapServers: string; topic: string; clientId: string };

async function appendAll(options: KafkaPlace, records: readonly AppendRecord[]): Promise<void> {
  const appender = new KafkaAppender(options);
  for (let at = 0; at < records.length; at += APPEND_BATCH) {
    await appender.append(records.slice(at, at + APPEND_BATCH));
  }
  await appender.close(1000);
}

async function readAll(options: KafkaPlace, events: number): Promise<void> {
  const reader = new KafkaReader({ ...options, groupId: options.topic, sessionTimeoutMs: 6000 });
  const { topicId } = await reader.identity();
  const offsets = new Map([...Array(PARTITIONS).keys()].map((partition) => [partition, 0]));
  for (let seen = 0; seen < events; ) {
    const wishes = [...offsets].map(([partition, offset]) => ({ partition, offset }));
    const limits = { waitMs: 500, bytesPerPartition: 1 << 20 };
    const { slices } = await reader.fetch(topicId, wishes, limits);
    for (const slice of slices) {
      seen += decodeRecords(slice.records, UNDECLARED).events.length;
      offsets.set(slice.partition, slice.next);
    }
  }
  await reader.close(1000);
}

async function timed(events: number, work: () => Promise<void>) {
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { perSecond: Math.round(events / seconds), cpuUs: (user + system) / events };
}

const [bootstrap = '', topic = '', events = '0'] = process.argv.slice(2);
console.log(JSON.stringify(await measure(bootstrap, topic, Number(events))));
