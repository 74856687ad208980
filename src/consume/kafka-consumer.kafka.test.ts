/** The consumer on a real broker: positions, rebalances, and what foreign clients write. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  newReader,
  produce,
  produceEvents,
  rowsIn,
  startConsumer,
  untilStored,
} from '../../test/support/consumer.ts';
import { backUp, createDatabase } from '../../test/support/database.ts';
import { wireEvent } from '../../test/support/events.ts';
import {
  foreignProducer,
  KAFKA,
  newTopic,
  ownBroker,
  withAdmin,
} from '../../test/support/kafka.ts';
import { until } from '../../test/support/until.ts';
import { partitionOf } from '../log/partition.ts';
import { createLogger } from '../runtime/logger.ts';
import { logIdOf } from '../store/logs.ts';
import { ensurePositions, readPositions } from '../store/positions.ts';
import { UnattendedWatch } from './unattended.ts';

if (KAFKA !== undefined) {
  describe('Consumer on Kafka', () => {
    it('starts at the start of the log, never at its end [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(2);
      await produceEvents(topic, 50);
      startConsumer(t, db, topic);
      await untilStored(db, 50);
    });

    it('continues from PostgreSQL whatever the group says: offsets reset or deleted [G7]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      await produceEvents(topic, 30);
      const first = startConsumer(t, db, topic);
      await untilStored(db, 30);
      await first.stop(3000);
      for (const offset of [0n, 30n, null]) {
        const groupId = topic;
        await withAdmin(async (admin) => {
          if (offset === null) await admin.deleteGroups({ groups: [groupId] });
          else {
            const partitionOffsets = [{ partition: 0, offset }];
            await admin.alterConsumerGroupOffsets({
              groupId,
              topics: [{ name: topic, partitionOffsets }],
            });
          }
        });
        const before = await rowsIn(db, 'processed_events');
        await produceEvents(topic, 5);
        const consumer = startConsumer(t, db, topic);
        await untilStored(db, before + 5);
        await consumer.stop(3000);
      }
      assert.equal(await rowsIn(db, 'duplicates'), 0);
    });

    it('comes back when the group has forgotten it and the broker goes away while it rejoins [G6]', async (t) => {
      const broker = await ownBroker(19_792);
      const db = await createDatabase(t);
      const topic = await newTopic(1, broker.bootstrap);
      const consumer = startConsumer(t, db, topic, { bootstrap: broker.bootstrap });
      await until('it is assigned', () => consumer.partitions.length === 1);
      await withAdmin(async (admin) => {
        const groups = await admin.describeGroups({ groups: [topic] });
        const members = [...(groups.get(topic)?.members.keys() ?? [])].map((memberId) => ({
          memberId,
        }));
        await admin.removeMembersFromConsumerGroup({ groupId: topic, members });
      }, broker.bootstrap);
      await broker.crash();
      await until('it says so', () => consumer.troubles.length > 0);
      await broker.restart();
      const event = wireEvent();
      const value = { key: event.order_id, value: JSON.stringify(event) };
      await produce(topic, [value], broker.bootstrap);
      await untilStored(db, 1);
      await until('all is well', () => consumer.troubles.length === 0);
    });

    it('several that start at once make one first deployment: no partition waits for another [G3]', async (t) => {
      const db = await createDatabase(t);
      const logId = await logIdOf(db.pool, { topic: 'x', topicId: 'x', partitions: 12 });
      const bounds = new Map(Array.from({ length: 12 }, (_, p) => [p, { start: 0, end: 9 }]));
      await Promise.all(
        Array.from({ length: 8 }, () => ensurePositions(db.pool, 'x', logId, bounds)),
      );
      const positions = await readPositions(db.pool, 'x');
      assert.deepEqual(
        positions.map(({ waitsFor }) => waitsFor),
        Array.from({ length: 12 }, () => null),
      );
    });

    it('rewinds on a restored database, and completes it [G7]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      await produceEvents(topic, 30);
      const first = startConsumer(t, db, topic);
      await untilStored(db, 30);
      const restored = await backUp(t, db);
      await produceEvents(topic, 40);
      await untilStored(db, 70);
      await first.stop(3000);
      // The group's offsets are at 70, but the positions in the restored database are at 30.
      assert.equal(await rowsIn(restored, 'processed_events'), 30);
      startConsumer(t, restored, topic);
      await untilStored(restored, 70);
      assert.equal(await rowsIn(restored, 'orders'), 70);
      assert.equal(await rowsIn(restored, 'duplicates'), 0);
    });

    it('notices a partition that a deployment with the same group id takes into another database', async (t) => {
      const [ours, theirs] = [await createDatabase(t), await createDatabase(t)];
      const topic = await newTopic(2);
      await produceEvents(topic, 10, 0);
      await produceEvents(topic, 10, 1);
      const consumer = startConsumer(t, ours, topic, { groupId: topic });
      const other = startConsumer(t, theirs, topic, { groupId: topic });
      await until('each has one', () =>
        [consumer, other].every(({ partitions }) => partitions.length === 1),
      );
      const reader = newReader(t, topic);
      const watch = new UnattendedWatch(reader, ours.pool, createLogger('silent'), () =>
        consumer.partitions.map(({ partition }) => partition),
      );
      await until('it is noticed', async () => {
        // The other's partition may have been processed to its end here before the other joined.
        await produceEvents(topic, 1, 0);
        await produceEvents(topic, 1, 1);
        await watch.look();
        return watch.warnings.length === 1;
      });
      assert.match(watch.warnings.join(), /another deployment with the same KAFKA_GROUP_ID/);
    });

    it('two deployments that write into one database make one effect of each event [G2] [G7]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      for (const group of ['one', 'two']) startConsumer(t, db, topic, { groupId: topic + group });
      for (let sent = 0; sent < 2000; sent += 20) await produceEvents(topic, 20);
      await untilStored(db, 2000);
      assert.equal(await rowsIn(db, 'duplicates'), 0);
      assert.equal(await rowsIn(db, 'orders'), 2000);
    });

    it('shares partitions among consumers, through joins and leaves, without loss or repeat [G2] [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(6);
      const first = startConsumer(t, db, topic);
      for (let partition = 0; partition < 6; partition++)
        await produceEvents(topic, 200, partition);
      await until('all partitions are the first one’s', () => first.partitions.length === 6);
      const second = startConsumer(t, db, topic);
      await until(
        'they share',
        () => second.partitions.length === 3 && first.partitions.length === 3,
      );
      for (let partition = 0; partition < 6; partition++)
        await produceEvents(topic, 200, partition);
      await first.stop(3000);
      await until('the second takes over', () => second.partitions.length === 6);
      for (let partition = 0; partition < 6; partition++)
        await produceEvents(topic, 100, partition);
      await untilStored(db, 3000);
      assert.equal(await rowsIn(db, 'duplicates'), 0);
    });

    it('never applies an aborted transactional record, and names its offsets [G3]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(1);
      const producer = foreignProducer(KAFKA, `tx-${topic}`);
      const send = async (end: 'commit' | 'abort', n: number) => {
        const transaction = await producer.beginTransaction();
        const events = Array.from({ length: n }, () => wireEvent());
        await transaction.send({
          messages: events.map((event) => ({
            topic,
            partition: 0,
            key: Buffer.from(event.order_id),
            value: Buffer.from(JSON.stringify(event)),
          })),
        });
        await transaction[end]();
      };
      await send('commit', 10);
      await send('abort', 20);
      await send('abort', 5);
      await send('commit', 7);
      await producer.close();
      const consumer = startConsumer(t, db, topic);
      await until('the end is reached', () => consumer.partitions[0]?.next_offset === 46);
      assert.equal(await rowsIn(db, 'processed_events'), 17);
      const { rows } = await db.pool.query(
        `SELECT reason, sum(to_offset - from_offset)::int AS n FROM log_gaps GROUP BY 1 ORDER BY 1`,
      );
      assert.deepEqual(rows, [
        { reason: 'aborted', n: 25 },
        { reason: 'control', n: 4 },
      ]);
    });

    it('reads what the Java client’s partitioner would have placed where ours does [G5]', async (t) => {
      const db = await createDatabase(t);
      const topic = await newTopic(6);
      const event = wireEvent();
      const partition = partitionOf(Buffer.from(event.order_id), 6);
      await produce(topic, [{ key: event.order_id, value: JSON.stringify(event), partition }]);
      startConsumer(t, db, topic);
      await untilStored(db, 1);
      const { rows } = await db.pool.query('SELECT log_partition FROM processed_events');
      assert.equal(rows[0].log_partition, partition);
    });
  });
}
