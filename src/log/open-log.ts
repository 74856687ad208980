/** Which log the settings mean: Kafka where brokers are named, else the embedded one. */
import type { Settings } from '../settings.ts';
import type { Pool } from '../store/pool.ts';
import { createEmbeddedLog, EmbeddedAppender, EmbeddedReader } from './embedded-log.ts';
import type { LogAppender, LogReader } from './event-log.ts';
import { KafkaAppender } from './kafka-appender.ts';
import type { KafkaOptions } from './kafka-connection.ts';
import { KafkaReader } from './kafka-reader.ts';
import { createTopic } from './kafka-topic.ts';

/** @param openPool called only where the log lies in PostgreSQL. */
export function openAppender(settings: Settings, openPool: () => Pool): LogAppender {
  const kafka = kafkaOptions(settings, 'producer');
  return kafka === null
    ? new EmbeddedAppender(openPool(), settings.KAFKA_TOPIC)
    : new KafkaAppender(kafka);
}

export function openReader(settings: Settings, openPool: () => Pool): LogReader {
  const kafka = kafkaOptions(settings, 'consumer');
  if (kafka === null) return new EmbeddedReader(openPool(), settings.KAFKA_TOPIC);
  const { KAFKA_GROUP_ID: groupId, SESSION_TIMEOUT_MS: sessionTimeoutMs } = settings;
  return new KafkaReader({ ...kafka, groupId, sessionTimeoutMs });
}

/** Creates topic or embedded log unless it exists. @returns whether it was created now. */
export async function createLog(settings: Settings, openPool: () => Pool): Promise<boolean> {
  const {
    KAFKA_TOPIC,
    KAFKA_PARTITIONS: partitions,
    KAFKA_REPLICATION_FACTOR: replicas,
  } = settings;
  const kafka = kafkaOptions(settings, 'migrate');
  return kafka === null
    ? await createEmbeddedLog(openPool(), KAFKA_TOPIC, partitions)
    : await createTopic(kafka, { partitions, replicas });
}

function kafkaOptions(settings: Settings, role: string): KafkaOptions | null {
  const { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers, KAFKA_TOPIC: topic } = settings;
  if (bootstrapServers === undefined) return null;
  return { bootstrapServers, topic, clientId: `orderonce-${role}` };
}
