import { Admin } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import { clientOptions, isProtocolError, type KafkaOptions, kafkaError } from './connection.ts';

const CREATE_MS = 15_000;

/**
 * Creates the topic unless it exists. Safe when several do at once.
 *
 * @param replicas -1 for the broker's own default (KIP-464).
 * @returns whether it was created now. @throws LOG_UNAVAILABLE.
 */
export async function createTopic(
  options: KafkaOptions,
  { partitions, replicas }: { partitions: number; replicas: number },
): Promise<boolean> {
  const admin = new Admin({ ...clientOptions(options), retries: 3 });
  const late = () =>
    new OrderonceError('LOG_UNAVAILABLE', 'Kafka did not create the topic in time');
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
