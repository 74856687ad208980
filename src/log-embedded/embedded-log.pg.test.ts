import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  describeEventLog,
  type LogUnderTest,
  PARTITIONS,
} from '../../test/contract/event-log-contract.ts';
import { createDatabase, throughProxy } from '../../test/support/database.ts';
import type { LogPosition } from '../log/event-log.ts';
import { createEmbeddedLog, EmbeddedAppender, EmbeddedReader } from './embedded-log.ts';

const TOPIC = 'order_events';

async function open(t: TestContext): Promise<LogUnderTest> {
  const database = await createDatabase(t);
  const { pool } = database;
  await createEmbeddedLog(pool, TOPIC, PARTITIONS);
  const { proxy, viaProxy } = await throughProxy(t, database);
  return {
    appender: new EmbeddedAppender(viaProxy, TOPIC),
    reader: new EmbeddedReader(viaProxy, TOPIC),
    anotherReader: () => new EmbeddedReader(pool, TOPIC),
    breakDown: () => proxy.refuse(),
    heal: () => proxy.heal(),
  };
}

describeEventLog('Embedded log', open);

describe('Embedded log', () => {
  it('is created once, also by two at the same time', async (t) => {
    const { pool } = await createDatabase(t);
    const made = await Promise.all([
      createEmbeddedLog(pool, TOPIC, 3),
      createEmbeddedLog(pool, TOPIC, 3),
    ]);
    assert.deepEqual(made.sort(), [false, true]);
  });

  it('never shows an offset before all smaller ones, with two appenders at once [G3]', async (t) => {
    const { pool } = await createDatabase(t);
    await createEmbeddedLog(pool, TOPIC, 1);
    const reader = new EmbeddedReader(pool, TOPIC);
    const { topicId } = await reader.identity();
    let done = false;
    const append = async (appender: EmbeddedAppender) => {
      for (let i = 0; i < 60; i++) {
        await appender.append([{ key: Buffer.from('k'), value: Buffer.from(`${i}`) }]);
      }
    };
    const appending = Promise.all([
      append(new EmbeddedAppender(pool, TOPIC)),
      append(new EmbeddedAppender(pool, TOPIC)),
    ]).finally(() => {
      done = true;
    });
    // fetch() checks that offsets are dense within an answer. Here: also from answer to answer.
    let next = 0;
    const limits = { waitMs: 5, bytesPerPartition: 1 << 20 };
    while (!done || next < 120) {
      const { slices } = await reader.fetch(topicId, [{ partition: 0, offset: next }], limits);
      for (const slice of slices) next = slice.next;
    }
    await appending;
    assert.equal(next, 120);
  });

  it('stops at a hole, also at the end, instead of skipping it, and reads the other partitions [G3] [G6]', async (t) => {
    const { pool } = await createDatabase(t);
    await createEmbeddedLog(pool, TOPIC, 2);
    const appender = new EmbeddedAppender(pool, TOPIC);
    const record = { key: Buffer.from('k'), value: Buffer.from('v') };
    const [first] = await appender.append([record, record, record, record]);
    const { partition: holed = 0 } = first as LogPosition;
    const whole = 1 - holed;
    await pool.query(
      `WITH one AS (UPDATE event_log_partitions SET next_offset = 1 WHERE log_partition = $1)
       INSERT INTO event_log SELECT log_id, $1, 0, key, value FROM event_log WHERE log_offset = 0`,
      [whole],
    );
    await pool.query('DELETE FROM event_log WHERE log_offset IN (1, 3)');
    const reader = new EmbeddedReader(pool, TOPIC);
    const { topicId } = await reader.identity();
    const fetch = async (offset: number) => {
      const limits = { waitMs: 5, bytesPerPartition: 1 << 20 };
      const wishes = [
        { partition: holed, offset },
        { partition: whole, offset: 0 },
      ];
      const { slices, failed } = await reader.fetch(topicId, wishes, limits);
      assert.equal(slices.find(({ partition }) => partition === whole)?.next, 1);
      const slice = slices.find(({ partition }) => partition === holed);
      return { next: slice?.next, why: failed.get(holed) };
    };
    const why = (offset: number) => `Offset ${offset} is missing from the embedded log`;
    assert.deepEqual(await fetch(0), { next: 1, why: undefined });
    assert.deepEqual(await fetch(1), { next: undefined, why: why(1) });
    assert.deepEqual(await fetch(2), { next: 3, why: undefined });
    assert.deepEqual(await fetch(3), { next: undefined, why: why(3) });
  });

  it('says that it is missing, and how to make it', async (t) => {
    const { pool } = await createDatabase(t);
    const append = new EmbeddedAppender(pool, TOPIC).append([]);
    await assert.rejects(append, { code: 'NOT_MIGRATED', message: /orderonce migrate/ });
  });
});
