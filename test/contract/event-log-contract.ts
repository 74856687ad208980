/** Tests the promises of src/log/event-log.ts. Both adapters must pass this suite. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  type AppendRecord,
  type LogAppender,
  type LogReader,
  type LogRecord,
  positionsOf,
  RECORD_BYTES_MAX,
} from '../../src/log/event-log.ts';
import { partitionOf } from '../../src/log/partition.ts';
import { until } from '../support/until.ts';

export type LogUnderTest = {
  readonly appender: LogAppender;
  readonly reader: LogReader;
  /** Opens a second reader of the same log, as another process would. */
  readonly anotherReader: () => LogReader;
  /** Makes the log stop answering, until heal() is called. */
  readonly breakDown: () => Promise<void> | void;
  readonly heal: () => Promise<void> | void;
};

export const PARTITIONS = 3;
const LIMITS = { waitMs: 500, bytesPerPartition: 1 << 20 };

function record(key: string, value: string | Buffer) {
  return { key: Buffer.from(key), value: Buffer.from(value) };
}

/** Reads `count` records of a partition, from an offset on. */
export async function readFrom(
  reader: LogReader,
  partition: number,
  offset: number,
  count: number,
): Promise<LogRecord[]> {
  const { topicId } = await reader.identity();
  const records: LogRecord[] = [];
  let next = offset;
  await until(`${count} records of partition ${partition}`, async () => {
    if (records.length >= count) return true;
    const { slices } = await reader.fetch(topicId, [{ partition, offset: next }], LIMITS);
    for (const slice of slices) {
      if (slice.partition !== partition || slice.from !== next) continue;
      records.push(...slice.records);
      next = slice.next;
    }
    return records.length >= count;
  });
  return records;
}

/** Waits until check() fails: the signal that suspends a broker takes a moment to arrive. */
const untilAway = (appender: LogAppender) =>
  until('the log does not answer', () =>
    appender.check().then(
      () => false,
      () => true,
    ),
  );

const append = async (appender: LogAppender, records: readonly AppendRecord[]) =>
  positionsOf(await appender.append(records));

export function describeEventLog(name: string, open: (t: TestContext) => Promise<LogUnderTest>) {
  describe(`${name}: the log's promises`, () => {
    it('says where each record lies, and keeps the order given within a partition [G1] [G5]', async (t) => {
      const { appender, reader } = await open(t);
      const records = Array.from({ length: 300 }, (_, i) => record(`order-${i % 7}`, `value ${i}`));
      const positions = [
        ...(await append(appender, records.slice(0, 100))),
        ...(await append(appender, records.slice(100))),
      ];
      assert.equal(positions.length, 300);
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const mine = records
          .map((sent, i) => ({
            sent,
            position: positions[i] as { partition: number; offset: number },
          }))
          .filter(({ position }) => position.partition === partition);
        const read = await readFrom(reader, partition, 0, mine.length);
        assert.deepEqual(
          read.map((r) => [r.offset, r.key?.toString(), r.value?.toString()]),
          mine.map(({ sent, position }) => [
            position.offset,
            sent.key.toString(),
            sent.value.toString(),
          ]),
        );
        for (const { sent } of mine) assert.equal(partitionOf(sent.key, PARTITIONS), partition);
      }
    });

    it('numbers records densely from the log start, the same for every reader', async (t) => {
      const { appender, reader, anotherReader } = await open(t);
      for (let i = 0; i < 5; i++) await append(appender, [record('k', `v${i}`)]);
      const partition = partitionOf(Buffer.from('k'), PARTITIONS);
      const seen = await readFrom(reader, partition, 0, 5);
      assert.deepEqual(
        seen.map((r) => r.offset),
        [0, 1, 2, 3, 4],
      );
      assert.deepEqual(await readFrom(anotherReader(), partition, 0, 5), seen);
    });

    it('is durable before the answer: a new reader finds it immediately [G1]', async (t) => {
      const { appender, anotherReader } = await open(t);
      for (let i = 0; i < 20; i++) {
        const [position] = await append(appender, [record(`k${i}`, `v${i}`)]);
        assert.ok(position);
        const bounds = await anotherReader().bounds([position.partition]);
        assert.ok((bounds.get(position.partition)?.end ?? 0) > position.offset);
      }
    });

    it('continues from exactly the offset asked for [G7]', async (t) => {
      const { appender, reader } = await open(t);
      await append(
        appender,
        Array.from({ length: 50 }, (_, i) => record('k', `v${i}`)),
      );
      const partition = partitionOf(Buffer.from('k'), PARTITIONS);
      for (const from of [0, 1, 17, 49]) {
        const [first] = await readFrom(reader, partition, from, 1);
        assert.deepEqual([first?.offset, first?.value?.toString()], [from, `v${from}`]);
      }
    });

    it('brings bytes and headers back exactly', async (t) => {
      const { appender, reader } = await open(t);
      const value = Buffer.from([0, 255, 10, 34, 0]);
      const headers = [[Buffer.from('source'), Buffer.from([0, 1, 255])]] as const;
      const [position] = await append(appender, [{ key: Buffer.from('k'), value, headers }]);
      assert.ok(position);
      const [read] = await readFrom(reader, position.partition, position.offset, 1);
      assert.deepEqual(read?.value, value);
      assert.deepEqual(read?.headers, headers);
      assert.ok(Math.abs((read?.appendedMs ?? 0) - Date.now()) < 60_000);
    });

    it('keeps a value that is null apart from one that is empty', async (t) => {
      const { appender, reader } = await open(t);
      const key = Buffer.from('k');
      await append(appender, [
        { key, value: null },
        { key, value: Buffer.alloc(0) },
      ]);
      const [none, empty] = await readFrom(reader, partitionOf(key, PARTITIONS), 0, 2);
      assert.deepEqual([none?.value, empty?.value], [null, Buffer.alloc(0)]);
    });

    it('answers soon after a record comes while a reader waits', async (t) => {
      const { appender, reader } = await open(t);
      const partition = partitionOf(Buffer.from('k'), PARTITIONS);
      const waiting = readFrom(reader, partition, 0, 1);
      await append(appender, [record('k', 'late')]);
      const [read] = await waiting;
      assert.equal(read?.value?.toString(), 'late');
    });

    it('says which partitions were asked for outside their bounds, and reads the others', async (t) => {
      const { appender, reader } = await open(t);
      await append(appender, [record('k', 'v')]);
      const partition = partitionOf(Buffer.from('k'), PARTITIONS);
      const beyond = (partition + 1) % PARTITIONS;
      const { topicId } = await reader.identity();
      const wishes = [
        { partition, offset: 0 },
        { partition: beyond, offset: 99 },
      ];
      const answers = await until('both are answered', async () => {
        const answer = await reader.fetch(topicId, wishes, LIMITS);
        return answer.outOfRange.length > 0 ? answer : null;
      });
      assert.deepEqual(answers.outOfRange, [beyond]);
      assert.deepEqual(
        answers.slices.map((s) => [s.partition, s.next]),
        [[partition, 1]],
      );
    });

    it('carries the largest event that the API takes, many together [G8]', async (t) => {
      const { appender, reader } = await open(t);
      const value = Buffer.alloc(64 * 1024, 'x');
      const positions = await append(
        appender,
        Array.from({ length: 7 }, () => ({ key: Buffer.from('k'), value })),
      );
      const read = await readFrom(reader, positions[0]?.partition ?? -1, 0, 7);
      assert.ok(read.every((r) => r.value?.equals(value)));
    });

    it('refuses a record that is too large, and takes the next one [G8]', async (t) => {
      const { appender, reader } = await open(t);
      const tooLarge = append(appender, [record('k', Buffer.alloc(RECORD_BYTES_MAX + 1))]);
      await assert.rejects(tooLarge, { code: 'RECORD_TOO_LARGE' });
      const [position] = await append(appender, [record('k', 'small')]);
      assert.equal(position?.offset, 0);
      const [read] = await readFrom(reader, position.partition, 0, 1);
      assert.equal(read?.value?.toString(), 'small');
    });

    it('answers check() and close() in time though the log hangs [G10]', async (t) => {
      const { appender, reader, breakDown, heal } = await open(t);
      await append(appender, [record('k', 'before')]);
      t.after(() => heal());
      await breakDown();
      const started = performance.now();
      await untilAway(appender);
      const hanging = append(appender, [record('k', 'during')]).catch(() => {});
      await Promise.all([appender.close(500), reader.close(500)]);
      assert.ok(performance.now() - started < 5000);
      await heal();
      await hanging;
    });

    it('recovers after an outage; what was acknowledged is there [G1] [G9]', async (t) => {
      const { appender, reader, breakDown, heal } = await open(t);
      await append(appender, [record('k', 'before')]);
      t.after(() => heal());
      await breakDown();
      await untilAway(appender);
      // May reject now, or resolve after the outage. It must not stay pending.
      const during = append(appender, [record('k', 'during')]).then(
        () => 'acknowledged',
        () => 'unknown',
      );
      await heal();
      const outcome = await during;
      await until('it accepts appends again', async () => {
        await appender.check();
        await append(appender, [record('k', 'after')]);
        return true;
      });
      const partition = partitionOf(Buffer.from('k'), PARTITIONS);
      const all = await until('all is readable', async () => {
        const { end } = (await reader.bounds([partition])).get(partition) ?? { end: 0 };
        return (await readFrom(reader, partition, 0, end)).map((r) => r.value?.toString());
      });
      assert.equal(all[0], 'before');
      assert.equal(all.at(-1), 'after');
      if (outcome === 'acknowledged') assert.deepEqual(all, ['before', 'during', 'after']);
    });
  });
}
