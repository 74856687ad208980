import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { createLogger } from '../runtime/logger.ts';
import type { Pool } from '../store/pool.ts';
import { createEmbeddedLog, EmbeddedAppender, EmbeddedReader } from './embedded-log.ts';
import { EmbeddedRetention } from './retention.ts';

const LIMITS = { waitMs: 0, bytesPerPartition: 1 << 20 };
const record = (text: string) => ({ key: Buffer.from('k'), value: Buffer.from(text) });
const logger = createLogger('silent');

async function makeOlder(pool: Pool, before: number, hours: number): Promise<void> {
  await pool.query(
    `UPDATE event_log SET appended_at = appended_at - $2 * interval '1 hour' WHERE log_offset < $1`,
    [before, hours],
  );
}

it('removes old records up to the first young or unprocessed one, and the rest stays readable [G3] [G10]', async (t) => {
  const { pool } = await createDatabase(t);
  await createEmbeddedLog(pool, 'orders', 1);
  const appender = new EmbeddedAppender(pool, 'orders');
  await appender.append(Array.from({ length: 10 }, (_, i) => record(`value ${i}`)));
  await pool.query(
    `INSERT INTO consumer_positions (topic, log_partition, log_id, start_offset, next_offset)
     SELECT topic, 0, log_id, 0, 6 FROM logs`,
  );
  await makeOlder(pool, 8, 30);
  const retention = new EmbeddedRetention(pool, 24, logger);

  assert.equal(await retention.trim(), 6, 'offsets 6 and 7 are old, but not yet processed');
  await pool.query('UPDATE consumer_positions SET next_offset = 10');
  assert.equal(await retention.trim(), 2, '8 and 9 are processed, but young');
  assert.equal(await retention.trim(), 0);

  const reader = new EmbeddedReader(pool, 'orders');
  const { topicId } = await reader.identity();
  assert.deepEqual((await reader.bounds([0])).get(0), { start: 8, end: 10 });
  const { slices } = await reader.fetch(topicId, [{ partition: 0, offset: 8 }], LIMITS);
  assert.deepEqual(
    slices[0]?.records.map(({ value }) => value?.toString()),
    ['value 8', 'value 9'],
  );
  const { outOfRange } = await reader.fetch(topicId, [{ partition: 0, offset: 7 }], LIMITS);
  assert.deepEqual(outOfRange, [0]);
});

it('trims by age alone where nobody here consumes: topics of the outbox [G10]', async (t) => {
  const { pool } = await createDatabase(t);
  await createEmbeddedLog(pool, 'processed', 1);
  const appender = new EmbeddedAppender(pool, 'processed');
  await appender.append([record('old'), record('young')]);
  await makeOlder(pool, 1, 30);
  assert.equal(await new EmbeddedRetention(pool, 24, logger).trim(), 1);
  // Appends continue at the next offset, even in a partition that retention has emptied.
  await makeOlder(pool, 2, 30);
  assert.equal(await new EmbeddedRetention(pool, 24, logger).trim(), 1);
  assert.deepEqual(await appender.append([record('next')]), [{ partition: 0, offset: 2 }]);
});
