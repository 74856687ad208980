/** The consumer on a log that was re-created, cut, trimmed or extended by partitions. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  cutStart,
  newReader,
  produceEvents,
  recreateTopic,
  rowsIn,
  startConsumer,
  untilStored,
} from '../../test/support/consumer.ts';
import { createDatabase } from '../../test/support/database.ts';
import { KAFKA, newTopic, withAdmin } from '../../test/support/kafka.ts';
import { until } from '../../test/support/until.ts';

if (KAFKA !== undefined) {
  describe('Consumer on a log that has changed', () => {
    it('stops a partition whose topic was re-created, instead of skipping its new records [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      await produceEvents(topic, 20);
      const before = startConsumer(t, db, topic);
      await untilStored(db, 20);
      await before.stop(3000);
      await recreateTopic(topic);
      const consumer = startConsumer(t, db, topic);
      await until('it stops', () => consumer.partitions[0]?.state === 'stopped');
      assert.match(consumer.troubles.join(), /LOG_RECREATED/);
      assert.equal(await rowsIn(db, 'processed_events'), 20);
    });

    it('stops when the topic is re-created under it, and touches none of its records [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      await produceEvents(topic, 20);
      const consumer = startConsumer(t, db, topic);
      await untilStored(db, 20);
      await recreateTopic(topic);
      await until('it stops', () => consumer.partitions[0]?.state === 'stopped');
      assert.match(consumer.troubles.join(), /LOG_RECREATED/);
      assert.equal(await rowsIn(db, 'processed_events'), 20);
    });

    it('stops a partition when retention overtakes it while it runs [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      await produceEvents(topic, 10);
      const consumer = startConsumer(t, db, topic);
      await untilStored(db, 10);
      // The consumer cannot commit meanwhile, so retention removes records before they are
      // processed.
      const lock = await db.pool.connect();
      await lock.query('BEGIN');
      await lock.query('SELECT FROM consumer_positions FOR UPDATE');
      for (let i = 0; i < 30; i++) await produceEvents(topic, 100);
      await cutStart(topic, 0, 3005);
      await lock.query('ROLLBACK');
      lock.release();
      await until('it stops', () => consumer.partitions[0]?.state === 'stopped');
      assert.match(consumer.troubles.join(), /POSITION_BEFORE_LOG_START/);
    });

    it('stops a partition whose records retention removed unprocessed; the others continue [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(2);
      await produceEvents(topic, 10, 0);
      await produceEvents(topic, 10, 1);
      const before = startConsumer(t, db, topic);
      await untilStored(db, 20);
      await before.stop(3000);
      await produceEvents(topic, 10, 0);
      await produceEvents(topic, 10, 1);
      await cutStart(topic, 0, 15);
      const consumer = startConsumer(t, db, topic);
      await untilStored(db, 30);
      const stopped = consumer.partitions.find(({ partition }) => partition === 0);
      assert.equal(stopped?.state, 'stopped');
      assert.match(
        stopped?.reason ?? '',
        /POSITION_BEFORE_LOG_START: .*offsets 10 to 14 unprocessed/,
      );
    });

    it('stops a partition whose log ends before the position, or holds another record there [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(2);
      await produceEvents(topic, 10, 0);
      await produceEvents(topic, 10, 1);
      const before = startConsumer(t, db, topic);
      await untilStored(db, 20);
      await before.stop(3000);
      // Two ways in which a truncated log shows: it ends before the position ...
      await db.pool.query('UPDATE consumer_positions SET next_offset = 99 WHERE log_partition = 0');
      // ... or it has grown again, with another record where the last processed one was.
      await db.pool.query(
        `UPDATE consumer_positions SET last_digest = '\\x00' WHERE log_partition = 1`,
      );
      await produceEvents(topic, 10, 1);
      const consumer = startConsumer(t, db, topic);
      const reasons = await until('both stop', () => {
        const states = consumer.partitions.map(({ state }) => state).join();
        return states === 'stopped,stopped' ? consumer.troubles.join('\n') : null;
      });
      assert.match(reasons, /POSITION_PAST_LOG_END/);
      assert.match(reasons, /LOG_REWRITTEN/);
      assert.equal(await rowsIn(db, 'processed_events'), 20);
    });

    it('lets an added partition wait until the older ones pass their ends [G5]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      await produceEvents(topic, 10, 0);
      const before = startConsumer(t, db, topic);
      await untilStored(db, 10);
      await before.stop(3000);
      await produceEvents(topic, 10, 0);
      await withAdmin((admin) =>
        admin.createPartitions({ topics: [{ name: topic, count: 2, assignments: null }] }),
      );
      await until('the new partition takes records', async () => {
        await produceEvents(topic, 10, 1);
        return true;
      });
      // Partition 0 cannot proceed, because its position row is locked.
      const lock = await db.pool.connect();
      await lock.query('BEGIN');
      await lock.query('SELECT FROM consumer_positions WHERE log_partition = 0 FOR UPDATE');
      const consumer = startConsumer(t, db, topic);
      await until('the new one waits', () =>
        consumer.partitions.some((p) => p.partition === 1 && p.state === 'waiting'),
      );
      assert.equal(await rowsIn(db, 'processed_events'), 10);
      await lock.query('ROLLBACK');
      lock.release();
      await untilStored(db, 30);
    });

    it('continues with partitions added while it runs [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      await produceEvents(topic, 10, 0);
      const consumer = startConsumer(t, db, topic);
      await untilStored(db, 10);
      await withAdmin((admin) =>
        admin.createPartitions({ topics: [{ name: topic, count: 3, assignments: null }] }),
      );
      await until('the new partition takes records', async () => {
        await produceEvents(topic, 10, 2);
        return true;
      });
      await until('it is assigned', () => consumer.partitions.length === 3);
      await untilStored(db, 20);
    });

    it('is assigned partitions that are added right after it joined [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      const reader = newReader(t, topic);
      const consumer = startConsumer(t, db, topic, { reader });
      await until('it is assigned', () => consumer.partitions.length === 1);
      await withAdmin((admin) =>
        admin.createPartitions({ topics: [{ name: topic, count: 3, assignments: null }] }),
      );
      // Whoever looks at positions now makes the larger number known before the first check of it.
      await until('it is known', async () => (await reader.identity()).partitions === 3);
      await until('all are assigned', () => consumer.partitions.length === 3);
    });
  });
}
