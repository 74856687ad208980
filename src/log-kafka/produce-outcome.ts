/** What the broker's answer for one partition of a Produce request means. Pure. */
import { describeErrorCode } from './topic-layout.ts';

/**
 * - `appended`: durable, by acks=all.
 * - `retry`: not appended or not known to be; the same batch again, to whoever leads it then.
 * - `renew`: the broker has lost this producer's numbers; the same batch again under a new id.
 * - `too_large`: not appended; smaller batches may be.
 * - `refused`: not appended, and the same record never will be.
 * - `forbidden`: not appended, and none will be until somebody changes the cluster.
 */
export type ProduceVerdict = 'appended' | 'retry' | 'renew' | 'too_large' | 'refused' | 'forbidden';

const VERDICTS: Readonly<Record<number, ProduceVerdict>> = {
  0: 'appended',
  // MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE.
  10: 'too_large',
  18: 'too_large',
  // Such a number was seen, but where its records lie is not known any more.
  46: 'renew',
  // OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID, PRODUCER_FENCED.
  45: 'renew',
  47: 'renew',
  59: 'renew',
  90: 'renew',
  32: 'refused', // INVALID_TIMESTAMP
  43: 'refused', // UNSUPPORTED_FOR_MESSAGE_FORMAT
  44: 'refused', // POLICY_VIOLATION
  76: 'refused', // UNSUPPORTED_COMPRESSION_TYPE
  87: 'refused', // INVALID_RECORD
  17: 'forbidden', // INVALID_TOPIC_EXCEPTION
  21: 'forbidden', // INVALID_REQUIRED_ACKS
  29: 'forbidden', // TOPIC_AUTHORIZATION_FAILED
  31: 'forbidden', // CLUSTER_AUTHORIZATION_FAILED
  35: 'forbidden', // UNSUPPORTED_VERSION
  53: 'forbidden', // TRANSACTIONAL_ID_AUTHORIZATION_FAILED
};

/** Every code that is not known to be final is repeated: repeating does no harm (KIP-98). */
export function produceVerdict(errorCode: number): ProduceVerdict {
  return VERDICTS[errorCode] ?? 'retry';
}

/** For people: what the broker said, and the way out where there is a usual one. */
export function produceReason(errorCode: number, message: string | null | undefined): string {
  const said = message ? ` (${message})` : '';
  const way = WAYS_OUT[errorCode] ?? '';
  return `${describeErrorCode(errorCode)}${said}${way}`;
}

const WAYS_OUT: Readonly<Record<number, string>> = {
  19: ' Fewer replicas are in sync than min.insync.replicas of the topic: bring brokers back.',
  29: ' Grant this user WRITE on the topic.',
  31: ' Grant this user IDEMPOTENT_WRITE on the cluster, or WRITE on the topic (Kafka 2.8 and newer).',
};
