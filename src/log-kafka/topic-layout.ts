/** A topic as the cluster describes it: its partitions, and who leads each. Pure. */
import { protocolErrors, protocolErrorsCodesById } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import type { BrokerAddress } from './connection.ts';

export type PartitionLayout = {
  /** The broker that leads it; null while it has no leader. */
  readonly leader: number | null;
  /** Grows with each change of leader: an answer with a lower one is older. */
  readonly epoch: number;
};

export type TopicLayout = {
  readonly id: string;
  /** By number. */
  readonly partitions: readonly PartitionLayout[];
  readonly brokers: ReadonlyMap<number, BrokerAddress>;
};

/** The part of a Metadata response that is read; older versions lack ids and epochs. */
export type MetadataAnswer = {
  readonly brokers: readonly {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
  }[];
  readonly topics: readonly {
    readonly errorCode: number;
    readonly name: string | null;
    readonly topicId?: string;
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly leaderId: number;
      readonly leaderEpoch?: number;
    }[];
  }[];
};

const UNKNOWN_TOPIC = 3;
const TOPIC_AUTHORIZATION_FAILED = 29;

/** @throws NOT_MIGRATED where the topic does not exist, LOG_UNAVAILABLE where it cannot be used. */
export function topicIn(answer: MetadataAnswer, name: string): TopicLayout {
  const topic = answer.topics.find((candidate) => candidate.name === name);
  if (topic === undefined || topic.errorCode === UNKNOWN_TOPIC) {
    const message = `Topic "${name}" does not exist: run "orderonce migrate"`;
    throw new OrderonceError('NOT_MIGRATED', message);
  }
  if (topic.errorCode === TOPIC_AUTHORIZATION_FAILED) {
    const message = `Kafka does not let this user see topic "${name}": grant it DESCRIBE on the topic`;
    throw new OrderonceError('LOG_UNAVAILABLE', message);
  }
  const partitions = topic.errorCode === 0 ? topic.partitions : [];
  if (partitions.length === 0) {
    const why = topic.errorCode === 0 ? '' : `: ${describeErrorCode(topic.errorCode)}`;
    throw new OrderonceError('LOG_UNAVAILABLE', `Topic "${name}" has no partitions yet${why}`);
  }
  const layout: PartitionLayout[] = [];
  for (const { partitionIndex, leaderId, leaderEpoch = -1 } of partitions) {
    layout[partitionIndex] = { leader: leaderId >= 0 ? leaderId : null, epoch: leaderEpoch };
  }
  return {
    // Before version 10 the protocol has no topic ids: a re-created topic cannot be told then.
    id: topic.topicId ?? name,
    partitions: layout,
    brokers: new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }])),
  };
}

/**
 * The newer of what is known of each partition: a broker that was cut off from its controller
 * answers with what was true before (KIP-320).
 */
export function newerLayout(known: TopicLayout | undefined, heard: TopicLayout): TopicLayout {
  if (known === undefined || known.id !== heard.id) return heard;
  const partitions = heard.partitions.map((partition, index) => {
    const before = known.partitions[index];
    return before !== undefined && before.epoch > partition.epoch ? before : partition;
  });
  return {
    ...heard,
    partitions: [...partitions, ...known.partitions.slice(partitions.length)],
    // A broker that is away is left out of answers, but connections to it may have to be given up.
    brokers: new Map([...known.brokers, ...heard.brokers]),
  };
}

/** The protocol's own name and sentence of an error code. */
export function describeErrorCode(code: number): string {
  const name = protocolErrorsCodesById[code];
  if (name === undefined) return `Kafka error ${code}`;
  return `${name}: ${protocolErrors[name]?.message}`;
}
