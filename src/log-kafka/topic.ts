import { Admin } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import {
  clientOptions,
  deepestReason,
  isProtocolError,
  type KafkaOptions,
  kafkaError,
} from './connection.ts';

const CREATE_MS = 15_000;
const FORBIDDEN = ['TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'];
const REFUSALS = ['INVALID_TOPIC_EXCEPTION', 'INVALID_PARTITIONS', 'POLICY_VIOLATION'];
/** Also the answer of a cluster whose brokers are just starting. */
const TOO_FEW_BROKERS = 'INVALID_REPLICATION_FACTOR';

/**
 * Creates the topic unless it exists. Safe if several processes do so at the same time. A user who
 * may not create topics can still call this for one that exists.
 *
 * @param replicas -1 means the default of the broker (KIP-464).
 * @returns whether this call created it.
 * @throws LOG_NOT_CREATED if Kafka refuses; LOG_UNAVAILABLE if it does not answer, or has too few
 * brokers now.
 */
export async function createTopic(
  options: KafkaOptions,
  { partitions, replicas }: { partitions: number; replicas: number },
): Promise<boolean> {
  const { topic } = options;
  const admin = new Admin({ ...clientOptions(options), retries: 3 });
  const late = () =>
    new OrderonceError('LOG_UNAVAILABLE', `Kafka did not create the topic within ${CREATE_MS} ms`);
  const isOneOf = (error: unknown, ids: readonly string[]) =>
    ids.some((id) => isProtocolError(error, id));
  try {
    const wish = { topics: [topic], partitions, replicas };
    await within(CREATE_MS, admin.createTopics(wish), late);
    return true;
  } catch (error) {
    if (isProtocolError(error, 'TOPIC_ALREADY_EXISTS')) return false;
    if (isOneOf(error, FORBIDDEN) && (await exists(admin, topic))) return false;
    const message = `Kafka does not create the topic "${topic}": ${deepestReason(error)}`;
    if (isOneOf(error, [...FORBIDDEN, ...REFUSALS])) {
      throw new OrderonceError('LOG_NOT_CREATED', message, { cause: error });
    }
    if (isProtocolError(error, TOO_FEW_BROKERS)) {
      throw new OrderonceError('LOG_UNAVAILABLE', message, { cause: error });
    }
    throw kafkaError(error, topic);
  } finally {
    void admin.close().catch(() => {});
  }
}

async function exists(admin: Admin, topic: string): Promise<boolean> {
  try {
    const { topics } = await admin.metadata({ topics: [topic] });
    return (topics.get(topic)?.partitions.length ?? 0) > 0;
  } catch {
    return false;
  }
}
