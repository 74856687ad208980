import { Admin, ConfigResourceTypes } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { clientOptions, type KafkaOptions, kafkaError } from '../log-kafka/connection.ts';
import { within } from '../runtime/deadline.ts';

export type KafkaFacts = {
  readonly brokers: number;
  readonly partitions: number;
  /** Of the partition with the fewest. */
  readonly replicas: number;
  readonly inSync: number;
  readonly withoutLeader: readonly number[];
  /** The topic's own settings, those of the broker where it has none. */
  readonly config: Readonly<Record<string, string>>;
};

const ANSWER_MS = 10_000;

/** @throws LOG_UNAVAILABLE, NOT_MIGRATED */
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
