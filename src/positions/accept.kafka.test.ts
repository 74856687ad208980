/** Re-created, truncated and trimmed logs, and the command that resolves each, on a real broker. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  cutStart,
  newReader,
  produce,
  produceEvents,
  recreateTopic,
  rowsIn,
  startConsumer,
  untilStored,
} from '../../test/support/consumer.ts';
import { createDatabase, type TestDatabase } from '../../test/support/database.ts';
import { wireEvent } from '../../test/support/events.ts';
import { KAFKA, newTopic } from '../../test/support/kafka.ts';
import { until } from '../../test/support/until.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { logIdOf } from '../store/logs.ts';
import { verify } from '../verify/verify.ts';
import { type AcceptContext, acceptCut, acceptGap, acceptNewLog } from './accept.ts';
import { reportPositions } from './report.ts';

/** A topic whose first ten events have been processed. */
async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  const topic = await newTopic(1);
  await produceEvents(topic, 10);
  const before = startConsumer(t, db, topic);
  await untilStored(db, 10);
  await before.stop(3000);
  const reader = newReader(t, topic);
  const context: AcceptContext = {
    reader,
    pool: db.pool,
    rules: UNDECLARED,
    actor: 'ann',
    reason: 'known',
  };
  const troubleOf = async () => (await reportPositions(reader, db.pool))[0]?.trouble ?? null;
  const untilStopped = async () => {
    const consumer = startConsumer(t, db, topic);
    await until('it stops', () => consumer.partitions[0]?.state === 'stopped');
    return consumer;
  };
  return { db, topic, context, reader, troubleOf, untilStopped };
}

async function isProven({ pool }: TestDatabase, topic: string, context: AcceptContext) {
  const verdict = await verify(pool, {
    topic,
    receipts: null,
    handlers: [],
    reader: context.reader,
    onStep: () => {},
    ...USUAL_MODEL,
  });
  assert.equal(verdict.isProven, true, JSON.stringify(verdict));
  return verdict;
}

describe('Positions under trouble', { skip: KAFKA === undefined }, () => {
  it('accept-gap: names the exact gap, and the running consumer continues behind it [G3]', async (t) => {
    const { db, topic, context, troubleOf, untilStopped } = await setUp(t);
    await produceEvents(topic, 10);
    await cutStart(topic, 0, 15);
    const consumer = await untilStopped();
    assert.match(consumer.troubles.join(), /offsets 10 to 14 .*orderonce positions accept-gap 0/);
    await until('it is written down', () => rowsIn(db, 'position_troubles'));
    assert.match((await troubleOf()) ?? '', /POSITION_BEFORE_LOG_START/);
    assert.deepEqual(await acceptGap(context, 0), { from: 10, to: 15 });
    await untilStored(db, 15);
    const { rows } = await db.pool.query(
      'SELECT from_offset, to_offset, reason, note FROM log_gaps',
    );
    assert.deepEqual(rows, [
      { from_offset: 10, to_offset: 15, reason: 'accepted', note: 'ann: known' },
    ]);
    await until('health is clear', () => consumer.troubles.length === 0);
    assert.equal(await rowsIn(db, 'position_troubles'), 0);
    const { partitions, log } = await isProven(db, topic, context);
    assert.deepEqual([partitions[0]?.withoutRecord, log?.compared, log?.gone], [5, 5, 15]);
  });

  it('accept-new-log: continues at the start of the re-created topic; the old account stays [G3]', async (t) => {
    const { db, topic, context, untilStopped } = await setUp(t);
    await recreateTopic(topic);
    const consumer = await untilStopped();
    assert.match(consumer.troubles.join(), /orderonce positions accept-new-log/);
    assert.deepEqual(await acceptNewLog(context), { partitions: 1 });
    await untilStored(db, 40);
    const { partitions } = await isProven(db, topic, context);
    assert.deepEqual(
      partitions.map(({ closed, stored }) => [closed, stored]),
      [
        [true, 10],
        [false, 30],
      ],
    );
    await assert.rejects(acceptNewLog(context), { code: 'POSITION_NOT_IN_TROUBLE' });
  });

  it('accept-cut: continues where the log differs, loses nothing and doubles nothing [G2] [G3]', async (t) => {
    const { db, topic, context, untilStopped } = await setUp(t);
    // This broker cannot be made to truncate its log. So PostgreSQL is changed instead: it says
    // that three more events were processed, and that two records of the log were different.
    const logId = await logIdOf(db.pool, await context.reader.identity());
    await db.pool.query(
      `INSERT INTO processed_events SELECT gen_random_uuid(), gen_random_uuid(), user_id, total_amount,
         occurred_at, digest, log_id, log_partition, log_offset + 10, now(), NULL
         FROM processed_events WHERE log_offset < 3`,
    );
    await db.pool.query(
      `UPDATE processed_events SET digest = sha256(convert_to(event_id || E'\\n' || order_id || E'\\n' ||
         total_amount || E'\\n' || to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
         || E'\\n' || user_id, 'UTF8')) WHERE log_offset >= 10`,
    );
    const lost = await db.pool.query(
      `DELETE FROM processed_events WHERE log_offset IN (8, 9) RETURNING order_id`,
    );
    await db.pool.query('DELETE FROM orders WHERE order_id = ANY ($1)', [
      lost.rows.map(({ order_id }) => order_id),
    ]);
    await db.pool.query(
      `INSERT INTO processed_events SELECT gen_random_uuid(), order_id, user_id, total_amount,
         occurred_at, digest, log_id, log_partition, log_offset - 2, now(), NULL
         FROM processed_events WHERE log_offset IN (10, 11)`,
    );
    await db.pool.query('UPDATE consumer_positions SET next_offset = 13, last_offset = 12');
    const consumer = await untilStopped();
    assert.match(consumer.troubles.join(), /ends at 10, before the position 13.* accept-cut 0/);
    const { at, logId: next } = await acceptCut(context, 0);
    assert.equal(at, 8);
    // The two records that PostgreSQL had as different ones are stored now.
    await untilStored(db, 15);
    const again = wireEvent();
    await produce(topic, [{ value: JSON.stringify(again) }, { value: JSON.stringify(again) }]);
    await untilStored(db, 16);
    const { rows } = await db.pool.query(
      `SELECT log_id, start_offset, next_offset FROM consumer_positions
       UNION ALL SELECT log_id, start_offset, next_offset FROM closed_positions ORDER BY 1`,
    );
    assert.deepEqual(rows, [
      { log_id: logId, start_offset: 0, next_offset: 13 },
      { log_id: next, start_offset: 8, next_offset: 12 },
    ]);
  });

  it('refuse where there is nothing to accept, and change nothing', async (t) => {
    const { db, context } = await setUp(t);
    const refused = { code: 'POSITION_NOT_IN_TROUBLE' };
    await assert.rejects(acceptGap(context, 0), refused);
    await assert.rejects(acceptCut(context, 0), refused);
    await assert.rejects(acceptGap(context, 7), refused);
    assert.equal(await rowsIn(db, 'closed_positions'), 0);
    const [report] = await reportPositions(context.reader, db.pool);
    assert.deepEqual([report?.position, report?.lag, report?.state], [10, 0, 'fine']);
  });
});
