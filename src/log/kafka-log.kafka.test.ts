import type { TestContext } from 'node:test';
import {
  describeEventLog,
  type LogUnderTest,
  PARTITIONS,
} from '../../test/contract/event-log-contract.ts';
import { KAFKA, newTopic, ownBroker } from '../../test/support/kafka.ts';
import { KafkaAppender } from './kafka-appender.ts';
import { KafkaReader } from './kafka-reader.ts';

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

  describeEventLog('Kafka', open);
}
