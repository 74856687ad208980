/**
 * Opens the log: Kafka if KAFKA_BOOTSTRAP_SERVERS is set, else the embedded one. The client of Kafka is
 * loaded only where it is used: it has some 300 modules, which is half of the time to start.
 */

import type { LogAppender, LogReader } from '../log/event-log.ts';
import {
  createEmbeddedLog,
  EmbeddedAppender,
  EmbeddedReader,
} from '../log-embedded/embedded-log.ts';
import type { KafkaOptions } from '../log-kafka/connection.ts';
import { kafkaSecurityOf } from '../log-kafka/security.ts';
import type { Settings } from '../settings/settings.ts';
import type { Pool } from '../store/pool.ts';
import { foreignTopicsOf } from './topics.ts';

/** @param openPool called only for the embedded log, which is in PostgreSQL. */
export async function openAppender(settings: Settings, openPool: () => Pool): Promise<LogAppender> {
  const kafka = kafkaOptions(settings, 'producer');
  if (kafka === null) return new EmbeddedAppender(openPool(), settings.KAFKA_TOPIC);
  return await openKafkaAppender(kafka);
}

async function openKafkaAppender(options: KafkaOptions): Promise<LogAppender> {
  const { KafkaAppender } = await import('../log-kafka/appender.ts');
  return new KafkaAppender(options);
}

/**
 * Opens another topic of the same log, for the messages of the outbox. In the embedded log it is
 * created if it is missing. In Kafka it must exist, because only the owner of the topic knows how
 * many partitions and replicas it needs.
 */
export async function openOutboxLog(
  settings: Settings,
  pool: Pool,
  topic: string,
): Promise<LogAppender> {
  const kafka = kafkaOptions(settings, 'outbox');
  if (kafka !== null) return await openKafkaAppender({ ...kafka, topic });
  await createEmbeddedLog(pool, topic, settings.KAFKA_PARTITIONS);
  return new EmbeddedAppender(pool, topic);
}

/**
 * Opens a topic for reading. Each topic has a consumer group of its own, so a topic in trouble does
 * not make the members of another one's group rebalance.
 * @param openPool called only for the embedded log, which is in PostgreSQL.
 */
export async function openReader(
  settings: Settings,
  openPool: () => Pool,
  topic = settings.KAFKA_TOPIC,
): Promise<LogReader> {
  const kafka = kafkaOptions(settings, 'consumer');
  if (kafka === null) return new EmbeddedReader(openPool(), topic);
  const { KAFKA_GROUP_ID: group, SESSION_TIMEOUT_MS: sessionTimeoutMs } = settings;
  const groupId = topic === settings.KAFKA_TOPIC ? group : `${group}.${topic}`;
  const { KafkaReader } = await import('../log-kafka/reader.ts');
  return new KafkaReader({ ...kafka, topic, groupId, sessionTimeoutMs });
}

/**
 * Opens the topics of KAFKA_TOPICS other than KAFKA_TOPIC. @throws SETTING_INVALID if the settings
 * contradict each other.
 */
export async function openForeignReaders(settings: Settings): Promise<LogReader[]> {
  const noPool = () => {
    throw new Error('Only the embedded log is in PostgreSQL');
  };
  return await Promise.all(
    foreignTopicsOf(settings).map((topic) => openReader(settings, noPool, topic)),
  );
}

/**
 * Creates the topics, or the embedded log, if they do not exist.
 * @returns whether KAFKA_TOPIC was created by this call.
 */
export async function createLog(settings: Settings, openPool: () => Pool): Promise<boolean> {
  const {
    KAFKA_TOPIC,
    KAFKA_PARTITIONS: partitions,
    KAFKA_REPLICATION_FACTOR: replicas,
    ORDER_PROCESSED_TOPIC,
  } = settings;
  const kafka = kafkaOptions(settings, 'migrate');
  if (kafka === null) return await createEmbeddedLog(openPool(), KAFKA_TOPIC, partitions);
  const { createTopic } = await import('../log-kafka/topic.ts');
  if (ORDER_PROCESSED_TOPIC !== undefined) {
    await createTopic({ ...kafka, topic: ORDER_PROCESSED_TOPIC }, { partitions, replicas });
  }
  return await createTopic(kafka, { partitions, replicas });
}

/**
 * @param role the end of the client id (`orderonce-ROLE`), which Kafka shows in its logs.
 * @returns null for the embedded log. @throws SETTING_INVALID if Kafka settings contradict.
 */
export function kafkaOptions(settings: Settings, role: string): KafkaOptions | null {
  const {
    KAFKA_BOOTSTRAP_SERVERS: bootstrapServers,
    KAFKA_TOPIC: topic,
    KAFKA_COMPRESSION: compression,
  } = settings;
  if (bootstrapServers === undefined) return null;
  const security = kafkaSecurityOf(settings);
  return { bootstrapServers, topic, clientId: `orderonce-${role}`, security, compression };
}
