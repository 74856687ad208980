import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  describeEventLog,
  type LogUnderTest,
  PARTITIONS,
} from '../../test/contract/event-log-contract.ts';
import {
  KAFKA,
  newTopic,
  newTopicName,
  ownBroker,
  readTopic,
  untilKnown,
  withAdmin,
} from '../../test/support/kafka.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { type AppendRecord, type LogAppender, positionsOf } from '../log/event-log.ts';
import { partitionOf } from '../log/partition.ts';
import { openAppender } from '../services/open-log.ts';
import { COMPRESSIONS } from '../settings/settings.ts';
import { KafkaAppender } from './appender.ts';
import { KafkaReader } from './reader.ts';

if (KAFKA !== undefined) {
  const broker = await ownBroker(19_292);

  const open = async (t: TestContext): Promise<LogUnderTest> => {
    const topic = await newTopic(PARTITIONS, broker.bootstrap);
    const options = { bootstrapServers: broker.bootstrap, topic, clientId: 'test' };
    const appender = new KafkaAppender(options);
    const readers: KafkaReader[] = [];
    const newReader = () => {
      const reader = new KafkaReader({ ...options, groupId: topic, sessionTimeoutMs: 6000 });
      readers.push(reader);
      return reader;
    };
    t.after(async () => {
      await appender.close(1000);
      for (const reader of readers) await reader.close(1000);
    });
    return {
      appender,
      reader: newReader(),
      anotherReader: newReader,
      breakDown: () => broker.freeze(),
      heal: () => broker.resume(),
    };
  };

  const append = async (appender: LogAppender, records: readonly AppendRecord[]) =>
    positionsOf(await appender.append(records));

  describeEventLog('Kafka', open);

  describe('KafkaAppender', () => {
    it('continues while the topic grows, and puts no record where no count would have put it [G5]', async (t) => {
      const topic = await newTopic(3, broker.bootstrap);
      const options = { bootstrapServers: broker.bootstrap, topic, clientId: 'test' };
      const appender = new KafkaAppender(options);
      t.after(() => appender.close(1000));
      const keys = Array.from({ length: 40 }, (_, i) => Buffer.from(`order-${i}`));
      const appendOnce = async () => {
        const records = keys.map((key) => ({ key, value: Buffer.from('v') }));
        const positions = await append(appender, records);
        return positions.map(({ partition }) => partition);
      };
      const small = keys.map((key) => partitionOf(key, 3));
      const large = keys.map((key) => partitionOf(key, 7));
      assert.deepEqual(await appendOnce(), small);
      await withAdmin(
        (admin) =>
          admin.createPartitions({ topics: [{ name: topic, count: 7, assignments: null }] }),
        broker.bootstrap,
      );
      await until('the new count is used', async () => {
        await appender.check();
        const placed = await appendOnce();
        if (placed.join() === large.join()) return true;
        assert.deepEqual(placed, small);
        return false;
      });
    });

    it('makes smaller batches for a topic that takes no large ones', async (t) => {
      const topic = await topicOfBatchesUpTo('3000');
      const options = { bootstrapServers: broker.bootstrap, topic, clientId: 'test' };
      const appender = new KafkaAppender(options);
      t.after(() => appender.close(1000));
      const records = Array.from({ length: 50 }, (_, i) => ({
        key: Buffer.from('k'),
        value: Buffer.alloc(500, i),
      }));
      const positions = await append(appender, records);
      assert.deepEqual(
        positions.map(({ offset }) => offset),
        records.map((_, i) => i),
      );
      const tooLarge = append(appender, [{ key: Buffer.from('k'), value: Buffer.alloc(4000) }]);
      await assert.rejects(tooLarge, { code: 'RECORD_TOO_LARGE', message: /max\.message\.bytes/ });
    });

    it('compresses where the settings say so', async (t) => {
      const topic = await topicOfBatchesUpTo('3000');
      const value = Buffer.alloc(4000, 'x');
      const written = COMPRESSIONS.filter((compression) => compression !== 'none');
      for (const [i, compression] of written.entries()) {
        const settings = testSettings({
          KAFKA_BOOTSTRAP_SERVERS: broker.bootstrap,
          KAFKA_TOPIC: topic,
          KAFKA_COMPRESSION: compression,
        });
        const appender = await openAppender(settings, () => assert.fail('no PostgreSQL'));
        t.after(() => appender.close(1000));
        const positions = await append(appender, [{ key: Buffer.from(compression), value }]);
        assert.deepEqual(positions, [{ partition: 0, offset: i }]);
      }
      const read = await readTopic(topic, written.length, broker.bootstrap);
      assert.ok(read.every((record) => record.value?.equals(value)));
    });

    /** With its limit from the beginning: brokers learn of a change some time later. */
    async function topicOfBatchesUpTo(bytes: string): Promise<string> {
      const topic = newTopicName();
      const configs = [{ name: 'max.message.bytes', value: bytes }];
      await withAdmin(
        (admin) => admin.createTopics({ topics: [topic], partitions: 1, replicas: 1, configs }),
        broker.bootstrap,
      );
      await untilKnown(topic, broker.bootstrap);
      return topic;
    }
  });
}
