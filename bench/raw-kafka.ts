/**
 * Measures the time from produce to fetch with Kafka alone, with the client of this project.
 * Records are due at a constant rate, each append (acks=all) sends all that are due, and a reader
 * fetches them with a long poll.
 *
 *   raw-kafka.ts BOOTSTRAP TOPIC RATE SECONDS   → one JSON line: percentiles in ms
 */
import { KafkaAppender } from '../src/log-kafka/appender.ts';
import { KafkaReader } from '../src/log-kafka/reader.ts';
import { createTopic } from '../src/log-kafka/topic.ts';
import { percentiles } from './percentiles.ts';

const PARTITIONS = 6;
/** About the size of an event. */
const VALUE_BYTES = 220;

const [bootstrapServers = '', topic = ''] = process.argv.slice(2);
const [rate = 0, seconds = 0] = process.argv.slice(4).map(Number);
const options = { bootstrapServers, topic, clientId: 'bench' };
await createTopic(options, { partitions: PARTITIONS, replicas: -1 });
/** Records that are not measured: the first requests of a client open connections. */
const unmeasured = rate;
const total = unmeasured + rate * seconds;
let seen = 0;
const latencies: number[] = [];

/** Makes a record whose value begins with the time at which it was due. */
function recordDue(due: number) {
  const value = Buffer.alloc(VALUE_BYTES, 'x');
  value.writeDoubleBE(due);
  return { key: Buffer.from(String(Math.random())), value };
}

async function produce(): Promise<void> {
  const appender = new KafkaAppender(options);
  await appender.check();
  const startedAt = performance.now();
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * rate) + 1);
    const records = Array.from({ length: due - sent }, (_, i) =>
      recordDue(startedAt + ((sent + i) / rate) * 1000),
    );
    sent = due;
    if (records.length > 0) await appender.append(records);
    else await new Promise((done) => setTimeout(done, 1));
  }
  await appender.close(1000);
}

async function consume(): Promise<void> {
  const reader = new KafkaReader({ ...options, groupId: topic, sessionTimeoutMs: 6000 });
  const { topicId } = await reader.identity();
  const offsets = new Map([...Array(PARTITIONS).keys()].map((partition) => [partition, 0]));
  while (seen < total) {
    const wishes = [...offsets].map(([partition, offset]) => ({ partition, offset }));
    const { slices } = await reader.fetch(topicId, wishes, {
      waitMs: 500,
      bytesPerPartition: 1 << 20,
    });
    const now = performance.now();
    for (const slice of slices) {
      for (const { value } of slice.records) {
        if (++seen > unmeasured) latencies.push(now - (value?.readDoubleBE() ?? 0));
      }
      offsets.set(slice.partition, slice.next);
    }
  }
  await reader.close(1000);
}

await Promise.all([produce(), consume()]);
console.log(JSON.stringify(percentiles(latencies)));
