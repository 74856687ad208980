/** Kafka's Java client writes to the same topic as ours, and our reader gets all its records. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fetchJars } from '../../dev/kafka/jars.ts';
import { KAFKA, MODE, newTopic } from '../../test/support/kafka.ts';
import { until } from '../../test/support/until.ts';
import type { LogRecord } from '../log/event-log.ts';
import { partitionOf } from '../log/partition.ts';
import { COMPRESSIONS } from '../settings/settings.ts';
import { KafkaReader } from './reader.ts';

const PRODUCER = fileURLToPath(new URL('../../test/support/JavaProducer.java', import.meta.url));
const PARTITIONS = 3;
const RECORDS = 300;

if (KAFKA !== undefined) {
  describe('The Java client', () => {
    it('writes what we read, with any compression, where our keys would put it [G3] [G5]', async (t) => {
      const topic = await newTopic(PARTITIONS);
      const jars = await fetchJars({ mode: MODE });
      const words = [KAFKA as string, topic, String(RECORDS), ...COMPRESSIONS];
      await promisify(execFile)('java', ['-cp', join(jars, '*'), PRODUCER, ...words]);
      const read = await readAll(t, topic, RECORDS * COMPRESSIONS.length);
      const text = (bytes: Buffer | null) => bytes?.toString() ?? null;
      const expected = COMPRESSIONS.flatMap((compression) =>
        Array.from({ length: RECORDS }, (_, n) => {
          const key = `key-${n}`;
          const partition = partitionOf(Buffer.from(key), PARTITIONS);
          return [partition, key, `${compression} ${n} ${'x'.repeat(n * 20)}`].join(' ');
        }),
      );
      const found = read.map((r) => [r.partition, text(r.key), text(r.value)].join(' '));
      assert.deepEqual(found.toSorted(), expected.toSorted());
    });
  });
}

async function readAll(t: TestContext, topic: string, count: number): Promise<LogRecord[]> {
  const options = { bootstrapServers: KAFKA as string, topic, clientId: 'test' };
  const reader = new KafkaReader({ ...options, groupId: topic, sessionTimeoutMs: 6000 });
  t.after(() => reader.close(1000));
  const { topicId, partitions } = await reader.identity();
  const nexts = Array.from({ length: partitions }, () => 0);
  const records: LogRecord[] = [];
  await until('all are read', async () => {
    const wishes = nexts.map((offset, partition) => ({ partition, offset }));
    const limits = { waitMs: 500, bytesPerPartition: 1 << 20 };
    const { slices } = await reader.fetch(topicId, wishes, limits);
    for (const slice of slices) {
      records.push(...slice.records);
      nexts[slice.partition] = slice.next;
    }
    return records.length >= count;
  });
  return records;
}
