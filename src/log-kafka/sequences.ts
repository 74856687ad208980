/**
 * The producer ids and sequence numbers of this process (KIP-98). They stay the same in all retries
 * of a batch, so that the broker drops a batch that it already has. Each partition has its own,
 * because one may have to start again.
 */
import { NumericMap } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import type { KafkaCluster } from './cluster.ts';
import { produceReason, produceVerdict } from './produce-outcome.ts';

export type Identity = { readonly producerId: bigint; readonly producerEpoch: number };

type InitProducerIdAnswer = Identity & { readonly errorCode: number };

const ANSWER_MS = 3000;
/** Of a transactional producer, which this is not; the request needs a value. */
const TRANSACTION_MS = 60_000;
/** Sequence numbers are 31 bits long and then start again at 0. */
const SEQUENCES = 2 ** 31;

export class Sequences {
  readonly #cluster: KafkaCluster;
  readonly #identities = new Map<number, Identity>();
  readonly #next = new Map<number, number>();
  #newest: Promise<Identity> | undefined;

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster;
  }

  /** The producer id that this partition uses; undefined before its first request. */
  identityOf(partition: number): Identity | undefined {
    return this.#identities.get(partition);
  }

  /**
   * The producer id for a request.
   * @param partitions which all use the same one, or none yet.
   * @throws LOG_REFUSES_APPENDS, LOG_UNAVAILABLE: nothing can be sent.
   */
  async identify(partitions: readonly number[]): Promise<Identity> {
    const [first] = partitions as readonly [number];
    const has = this.#identities.get(first);
    if (has !== undefined) return has;
    this.#newest ??= this.#ask();
    try {
      const identity = await this.#newest;
      for (const partition of partitions) this.#identities.set(partition, identity);
      return identity;
    } catch (error) {
      this.#newest = undefined;
      throw error;
    }
  }

  /** The next sequence number of each partition, in the form that the codec expects. */
  next(partitions: readonly number[]): NumericMap {
    const sequences = new NumericMap();
    for (const partition of partitions) {
      sequences.set(`${this.#cluster.topic}:${partition}`, this.#next.get(partition) ?? 0);
    }
    return sequences;
  }

  /** The broker has appended this many records of the partition. */
  advance(partition: number, records: number): void {
    this.#next.set(partition, ((this.#next.get(partition) ?? 0) + records) % SEQUENCES);
  }

  /** The broker no longer knows the producer id: the partition starts again with another one. */
  renew(partition: number): void {
    this.#newest = undefined;
    this.#identities.delete(partition);
    this.#next.delete(partition);
  }

  async #ask(): Promise<Identity> {
    const request = {
      api: 'InitProducerId',
      args: () => [null, TRANSACTION_MS],
      deadlineMs: ANSWER_MS,
    };
    return await this.#cluster.callAny('produce', request, (answer: InitProducerIdAnswer) => {
      const { errorCode, producerId, producerEpoch } = answer;
      if (errorCode === 0) return { producerId, producerEpoch };
      const reason = `Kafka refuses to assign a producer id: ${produceReason(errorCode, null)}`;
      const isForbidden = produceVerdict(errorCode) === 'forbidden';
      throw new OrderonceError(isForbidden ? 'LOG_REFUSES_APPENDS' : 'LOG_UNAVAILABLE', reason);
    });
  }
}
