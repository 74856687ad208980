/** The layout of a topic: its partitions and the broker that leads each, from a Metadata answer. */
import { protocolErrors, protocolErrorsCodesById } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import type { BrokerAddress } from './connection.ts';

export type PartitionLayout = {
  /** Id of the broker that leads the partition; null while it has no leader. */
  readonly leader: number | null;
  /** Increases with each change of leader, so an answer with a lower epoch is older. */
  readonly epoch: number;
};

export type TopicLayout = {
  readonly id: string;
  /** Indexed by partition number. */
  readonly partitions: readonly PartitionLayout[];
  readonly brokers: ReadonlyMap<number, BrokerAddress>;
};

/**
 * The fields of a Metadata answer that are used. Older versions lack topic ids and leader epochs.
 */
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

/** @throws NOT_MIGRATED if the topic does not exist, LOG_UNAVAILABLE if it cannot be used. */
export function topicIn(answer: MetadataAnswer, name: string): TopicLayout {
  const topic = answer.topics.find((candidate) => candidate.name === name);
  if (topic === undefined || topic.errorCode === UNKNOWN_TOPIC) {
    const message = `Topic "${name}" does not exist: run "orderonce migrate"`;
    throw new OrderonceError('NOT_MIGRATED', message);
  }
  if (topic.errorCode === TOPIC_AUTHORIZATION_FAILED) {
    const message = `This Kafka user may not see topic "${name}": grant it DESCRIBE on the topic`;
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
    // Metadata before version 10 has no topic ids, so a re-created topic cannot be recognised.
    id: topic.topicId ?? name,
    partitions: layout,
    brokers: new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }])),
  };
}

/**
 * Keeps the newer information about each partition: a broker that has lost its connection to the
 * controller answers with an outdated layout (KIP-320).
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
    // Answers leave out brokers that are down, but connections to them may still have to be closed.
    brokers: new Map([...known.brokers, ...heard.brokers]),
  };
}

/** Name and description of an error code, as the protocol defines them. */
export function describeErrorCode(code: number): string {
  const name = protocolErrorsCodesById[code];
  if (name === undefined) return `Kafka error ${code}`;
  return `${name}: ${protocolErrors[name]?.message}`;
}
