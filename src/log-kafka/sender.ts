/**
 * Sends batches to the brokers that lead their partitions, and retries each batch until its outcome
 * is known. Each partition has at most one batch in flight.
 *
 * - Batches of partitions with the same leader share one request. A partition whose replicas lag
 *   delays the whole answer, and must not delay the others for long: slots.ts limits that, and after a
 *   failure a partition gets requests of its own for the next ALONE requests.
 * - Producer id and sequence number stay the same in all retries (sequences.ts).
 * - While a request is late, the brokers are asked for the current leaders. If a partition has a
 *   new leader, the old one will not answer: the connection is closed and the batch goes to the new
 *   leader.
 */
import { OrderonceError } from '../errors.ts';
import { backoffMs } from '../runtime/backoff.ts';
import type { KafkaCluster } from './cluster.ts';
import type { KafkaOptions } from './connection.ts';
import { produceReason, produceVerdict } from './produce-outcome.ts';
import { Sequences } from './sequences.ts';
import { Slots } from './slots.ts';

/** A record in the form that the codec of the client library expects. */
export type ProduceMessage = {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer | undefined;
  readonly headers: ReadonlyMap<Buffer, Buffer>;
  /** Set when the record is first sent, and kept, so that a retry sends the same bytes. */
  timestamp?: bigint;
};

/** The known outcome of a batch. While the outcome is unknown, the batch is retried. */
export type SendOutcome =
  | { readonly kind: 'appended'; readonly baseOffset: number }
  | { readonly kind: 'too_large' | 'refused' | 'forbidden'; readonly reason: string };

type Batch = {
  readonly partition: number;
  readonly messages: readonly ProduceMessage[];
  readonly resolve: (outcome: SendOutcome) => void;
  readonly reject: (error: OrderonceError) => void;
  failures: number;
};

type PartitionState = {
  /** How many more requests must contain only this partition. */
  alone: number;
  /** Why its batch is being retried, for health pages; null if nothing is wrong. */
  trouble: string | null;
};

type ProduceAnswer = {
  readonly responses: readonly {
    readonly partitionResponses: readonly {
      readonly index: number;
      readonly errorCode: number;
      readonly baseOffset: bigint;
      readonly errorMessage?: string | null;
    }[];
  }[];
};

const ACKS_ALL = -1;
/**
 * How long the broker waits for replicas before it answers, with a time-out for late partitions.
 */
const REPLICAS_MS = 1500;
/** The wait of the broker, and time for the network. */
const ANSWER_MS = REPLICAS_MS + 1500;
/** A request that is older than this is late: the current leaders are asked for. */
const LATE_MS = 400;
/** How many requests a partition has to itself after a failure. */
const ALONE = 16;
const BACKOFF = { firstMs: 50, mostMs: 1000 };

export class KafkaSender {
  readonly #cluster: KafkaCluster;
  readonly #compression: NonNullable<KafkaOptions['compression']>;
  readonly #states = new Map<number, PartitionState>();
  readonly #sequences: Sequences;
  readonly #slots = new Slots<Batch>(() => this.#start());
  readonly #batches = new Set<Batch>();
  #ready: Batch[] = [];
  #isStarting = false;
  #closed = false;
  readonly #lookout: NodeJS.Timeout;

  constructor(cluster: KafkaCluster, compression: KafkaOptions['compression'] = 'none') {
    this.#cluster = cluster;
    this.#sequences = new Sequences(cluster);
    this.#compression = compression;
    this.#lookout = setInterval(() => void this.#lookForLeaders(), LATE_MS / 2).unref();
  }

  /**
   * Sends a batch to one partition. The caller must wait for it before it sends the next batch to
   * the same partition.
   * @throws LOG_UNAVAILABLE if the sender is closed meanwhile. The outcome is then unknown.
   */
  async send(partition: number, messages: readonly ProduceMessage[]): Promise<SendOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<SendOutcome>();
    const batch: Batch = { partition, messages, resolve, reject, failures: 0 };
    this.#batches.add(batch);
    this.#enqueue([batch]);
    try {
      return await promise;
    } finally {
      this.#batches.delete(batch);
    }
  }

  /** By partition, why its batch is being retried. */
  get troubles(): ReadonlyMap<number, string> {
    const found = new Map<number, string>();
    for (const { partition } of this.#batches) {
      const { trouble } = this.#stateOf(partition);
      if (trouble !== null) found.set(partition, trouble);
    }
    return found;
  }

  /** Rejects all batches in flight. Their outcome stays unknown. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#lookout);
    for (const batch of this.#batches) batch.reject(closed());
  }

  #enqueue(batches: readonly Batch[]): void {
    if (this.#closed) for (const batch of batches) batch.reject(closed());
    else this.#ready.push(...batches);
    // Delayed, so that batches of the same turn of the event loop share one request.
    if (this.#isStarting) return;
    this.#isStarting = true;
    setImmediate(() => {
      this.#isStarting = false;
      this.#start();
    });
  }

  #start(): void {
    const layout = this.#cluster.known;
    const waiting: Batch[] = [];
    const byLeader = Map.groupBy(
      this.#ready,
      ({ partition }) => layout?.partitions[partition]?.leader ?? null,
    );
    this.#ready = [];
    for (const [leader, batches] of byLeader) {
      if (leader === null) {
        for (const batch of batches) this.#repeat(batch, 'it has no leader now');
        continue;
      }
      for (const group of this.#groupsOf(batches)) {
        const slot = this.#slots.free(leader);
        if (slot === null) waiting.push(...group);
        else void this.#request(leader, slot, group);
      }
    }
    this.#ready.unshift(...waiting);
  }

  /** Groups batches that may share a request. Partitions that failed recently stay alone. */
  #groupsOf(batches: readonly Batch[]): Batch[][] {
    const isApart = (batch: Batch) => this.#stateOf(batch.partition).alone > 0;
    const together = batches.filter((batch) => !isApart(batch));
    const ids = Map.groupBy(together, ({ partition }) => this.#sequences.identityOf(partition));
    return [...ids.values(), ...batches.filter(isApart).map((batch) => [batch])];
  }

  async #request(leader: number, slot: number, batches: readonly Batch[]): Promise<void> {
    const underWay = this.#slots.begin(leader, slot, batches);
    const partitions = batches.map(({ partition }) => partition);
    try {
      const identity = await this.#sequences.identify(partitions);
      const answer = await this.#cluster.call<ProduceAnswer>(leader, purposeOf(slot), {
        api: 'Produce',
        args: () => [
          ACKS_ALL,
          REPLICAS_MS,
          messagesOf(batches),
          {
            compression: this.#compression,
            ...identity,
            sequences: this.#sequences.next(partitions),
          },
        ],
        deadlineMs: ANSWER_MS,
      });
      for (const batch of batches) this.#judge(batch, answer);
    } catch (error) {
      const { message: reason } = error as Error;
      // InitProducerId was refused, so nothing was sent: the outcome is known.
      const isForbidden = error instanceof OrderonceError && error.code === 'LOG_REFUSES_APPENDS';
      for (const batch of batches) {
        if (isForbidden) batch.resolve({ kind: 'forbidden', reason });
        else this.#repeat(batch, reason);
      }
    } finally {
      this.#slots.end(underWay);
      if (this.#ready.length > 0) this.#enqueue([]);
    }
  }

  #judge(batch: Batch, { responses }: ProduceAnswer): void {
    const answer = responses
      .flatMap(({ partitionResponses }) => partitionResponses)
      .find(({ index }) => index === batch.partition);
    const state = this.#stateOf(batch.partition);
    const verdict = answer === undefined ? 'retry' : produceVerdict(answer.errorCode);
    const reason =
      answer === undefined
        ? 'the broker did not answer for it'
        : produceReason(answer.errorCode, answer.errorMessage);
    if (verdict === 'renew') this.#sequences.renew(batch.partition);
    if (verdict === 'retry' || verdict === 'renew') {
      this.#repeat(batch, reason);
      return;
    }
    state.trouble = null;
    state.alone = Math.max(0, state.alone - 1);
    if (verdict === 'appended') {
      this.#sequences.advance(batch.partition, batch.messages.length);
      batch.resolve({ kind: 'appended', baseOffset: Number(answer?.baseOffset) });
    } else batch.resolve({ kind: verdict, reason });
  }

  #repeat(batch: Batch, reason: string): void {
    const state = this.#stateOf(batch.partition);
    state.trouble = reason;
    state.alone = ALONE;
    batch.failures++;
    if (this.#closed) return;
    this.#cluster.refresh().catch(() => {});
    setTimeout(() => this.#enqueue([batch]), backoffMs(batch.failures, BACKOFF));
  }

  /** Closes the connections of late requests if a partition of theirs has another leader now. */
  async #lookForLeaders(): Promise<void> {
    const late = this.#slots.olderThan(LATE_MS);
    if (late.length === 0) return;
    const layout = await this.#cluster.refresh().catch(() => null);
    if (layout === null) return;
    for (const { leader, slot, batches } of late) {
      const hasMoved = batches.some(({ partition }) => {
        const now = layout.partitions[partition]?.leader ?? null;
        return now !== null && now !== leader;
      });
      if (hasMoved) this.#cluster.drop(leader, purposeOf(slot));
    }
  }

  #stateOf(partition: number): PartitionState {
    const known = this.#states.get(partition);
    if (known !== undefined) return known;
    const state = { alone: 0, trouble: null };
    this.#states.set(partition, state);
    return state;
  }
}

function messagesOf(batches: readonly Batch[]): ProduceMessage[] {
  return batches.flatMap(({ messages }) => messages);
}

function purposeOf(slot: number): string {
  return `produce ${slot}`;
}

function closed(): OrderonceError {
  return new OrderonceError('LOG_UNAVAILABLE', 'The client was closed');
}
