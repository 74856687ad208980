import { Admin } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import { clientOptions, isProtocolError, type KafkaOptions, kafkaError } from './connection.ts';

const CREATE_MS = 15_000;

/**
 * Creates the topic unless it exists. Safe if several processes do so at the same time.
 *
 * @param replicas -1 means the default of the broker (KIP-464).
 * @returns whether this call created it.
 * @throws LOG_UNAVAILABLE if Kafka does not answer or refuses.
 */
export async function createTopic(
  options: KafkaOptions,
  { partitions, replicas }: { partitions: number; replicas: number },
): Promise<boolean> {
  const admin = new Admin({ ...clientOptions(options), retries: 3 });
  const late = () =>
    new OrderonceError('LOG_UNAVAILABLE', `Kafka did not create the topic within ${CREATE_MS} ms`);
  try {
    const wish = { topics: [options.topic], partitions, replicas };
    await within(CREATE_MS, admin.createTopics(wish), late);
    return true;
  } catch (error) {
    if (isProtocolError(error, 'TOPIC_ALREADY_EXISTS')) return false;
    throw kafkaError(error, options.topic);
  } finally {
    void admin.close().catch(() => {});
  }
}
