/** What the error code for one partition in the answer to a Produce request means. */
import { describeErrorCode } from './topic-layout.ts';

/**
 * - `appended`: the batch is durable (acks=all).
 * - `retry`: the batch was not appended, or the outcome is unknown. Send it again to the leader.
 * - `renew`: the broker no longer knows this producer's sequence. Send it again under a new id.
 * - `too_large`: the batch was not appended, but smaller batches may be.
 * - `refused`: the batch was not appended, and would be refused each time.
 * - `forbidden`: the batch was not appended, and none will be until somebody changes the cluster.
 */
export type ProduceVerdict = 'appended' | 'retry' | 'renew' | 'too_large' | 'refused' | 'forbidden';

const VERDICTS: Readonly<Record<number, ProduceVerdict>> = {
  0: 'appended',
  10: 'too_large', // MESSAGE_TOO_LARGE
  18: 'too_large', // RECORD_LIST_TOO_LARGE
  45: 'renew', // OUT_OF_ORDER_SEQUENCE_NUMBER
  46: 'renew', // DUPLICATE_SEQUENCE_NUMBER: the broker has the batch, but not its offsets any more.
  47: 'renew', // INVALID_PRODUCER_EPOCH
  59: 'renew', // UNKNOWN_PRODUCER_ID
  90: 'renew', // PRODUCER_FENCED
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

/**
 * Every code that is not known to be final means retry, which is safe: producers are idempotent.
 */
export function produceVerdict(errorCode: number): ProduceVerdict {
  return VERDICTS[errorCode] ?? 'retry';
}

/** A message with what the broker answered and, for common causes, what to do. */
export function produceReason(errorCode: number, message: string | null | undefined): string {
  const said = message ? ` (${message})` : '';
  const way = WAYS_OUT[errorCode] ?? '';
  return `${describeErrorCode(errorCode)}${said}${way}`;
}

const WAYS_OUT: Readonly<Record<number, string>> = {
  19: ' Fewer replicas are in sync than min.insync.replicas of the topic: start the missing brokers.',
  29: ' Grant this user WRITE on the topic.',
  31: ' Grant this user IDEMPOTENT_WRITE on the cluster, or WRITE on the topic (Kafka 2.8 and newer).',
};
