import { Admin, ConfigResourceTypes } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { clientOptions, type KafkaOptions, kafkaError } from '../log-kafka/connection.ts';
import { within } from '../runtime/deadline.ts';

/** What `orderonce doctor` reads about the brokers and the topic. */
export type KafkaFacts = {
  readonly brokers: number;
  readonly partitions: number;
  /** Replicas of the partition that has the fewest. */
  readonly replicas: number;
  /** In-sync replicas of the partition that has the fewest. */
  readonly inSync: number;
  readonly withoutLeader: readonly number[];
  /** The topic's settings by name. Where the topic sets none, the broker's default counts. */
  readonly config: Readonly<Record<string, string>>;
};

const ANSWER_MS = 10_000;

/** @throws LOG_UNAVAILABLE if Kafka does not answer within 10 s; NOT_MIGRATED without the topic. */
export async function readKafkaFacts(options: KafkaOptions): Promise<KafkaFacts> {
  const admin = new Admin({ ...clientOptions(options), retries: 1 });
  const late = () => new OrderonceError('LOG_UNAVAILABLE', `No answer within ${ANSWER_MS} ms`);
  try {
    return await within(ANSWER_MS, ask(admin, options.topic), late);
  } catch (error) {
    throw kafkaError(error, options.topic);
  } finally {
    void admin.close().catch(() => {});
  }
}

async function ask(admin: Admin, topic: string): Promise<KafkaFacts> {
  const { brokers, topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
  const { partitions = [] } = topics.get(topic) ?? {};
  if (partitions.length === 0) {
    throw new OrderonceError('LOG_UNAVAILABLE', `Kafka names no partitions of "${topic}" now`);
  }
  const resources = [
    {
      resourceType: ConfigResourceTypes.TOPIC,
      resourceName: topic,
      configurationKeys: null,
    },
  ];
  const [described] = await admin.describeConfigs({ resources });
  const config = (described?.configs ?? []).map(({ name, value }) => [name, value ?? ''] as const);
  return {
    brokers: brokers.size,
    partitions: partitions.length,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    inSync: Math.min(...partitions.map(({ isr }) => isr.length)),
    withoutLeader: partitions.flatMap(({ leader }, partition) => (leader < 0 ? partition : [])),
    config: Object.fromEntries(config),
  };
}
