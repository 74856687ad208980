import { OrderonceError } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';

type TopicSettings = Pick<
  Settings,
  'KAFKA_TOPIC' | 'KAFKA_TOPICS' | 'KAFKA_BOOTSTRAP_SERVERS' | 'DECODE_MODULE'
>;

/**
 * The topics of KAFKA_TOPICS other than KAFKA_TOPIC. Others write them, and DECODE_MODULE decodes
 * their records.
 * @throws SETTING_INVALID if these settings contradict each other.
 */
export function foreignTopicsOf(settings: TopicSettings): string[] {
  const { KAFKA_TOPIC, KAFKA_TOPICS, KAFKA_BOOTSTRAP_SERVERS, DECODE_MODULE } = settings;
  const foreign = KAFKA_TOPICS.filter((topic) => topic !== KAFKA_TOPIC);
  if (foreign.length > 0 && KAFKA_BOOTSTRAP_SERVERS === undefined) {
    throw invalid(
      'KAFKA_TOPICS needs KAFKA_BOOTSTRAP_SERVERS: nobody else writes the embedded log',
    );
  }
  if (foreign.length === 0 && DECODE_MODULE !== undefined) {
    throw invalid(
      'DECODE_MODULE has nothing to decode: name topics in KAFKA_TOPICS. Records of KAFKA_TOPIC are not decoded',
    );
  }
  return foreign;
}

function invalid(message: string): OrderonceError {
  return new OrderonceError('SETTING_INVALID', message);
}
