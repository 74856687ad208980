/**
 * Sends batches to the brokers that lead their partitions, and retries each batch until its outcome
 * is known. Each partition has at most one batch in flight.
 *
 * - Batches of partitions with the same leader share one request. While a request is unanswered,
 *   later ones to the same broker wait PATIENCE_MS for it and then use another connection: a
 *   partition whose replicas lag delays the whole answer, and must not delay the others for long.
 *   After a failure, a partition gets requests of its own for the next ALONE requests.
 * - Producer id and sequence number stay the same in all retries, so that the broker drops a batch
 *   that it already has (KIP-98). Each partition has its own, because one may have to start again.
 * - While a request is late, the brokers are asked for the current leaders. If a partition has a
 *   new leader, the old one will not answer: the connection is closed and the batch goes to the new
 *   leader.
 */
import { NumericMap } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { backoffMs } from '../runtime/backoff.ts';
import type { KafkaCluster } from './cluster.ts';
import type { KafkaOptions } from './connection.ts';
import { produceReason, produceVerdict } from './produce-outcome.ts';

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

type Identity = { readonly producerId: bigint; readonly producerEpoch: number };

type Batch = {
  readonly partition: number;
  readonly messages: readonly ProduceMessage[];
  readonly resolve: (outcome: SendOutcome) => void;
  readonly reject: (error: OrderonceError) => void;
  readonly since: number;
  failures: number;
};

type PartitionState = {
  identity: Identity | undefined;
  sequence: number;
  /** How many more requests must contain only this partition. */
  alone: number;
  /** Why its batch is being retried, for health pages; null if nothing is wrong. */
  trouble: string | null;
};

type UnderWay = {
  readonly slot: number;
  readonly since: number;
  readonly batches: readonly Batch[];
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
type InitProducerIdAnswer = Identity & { readonly errorCode: number };

const ACKS_ALL = -1;
/**
 * How long the broker waits for replicas before it answers, with a time-out for late partitions.
 */
const REPLICAS_MS = 1500;
/** The wait of the broker, and time for the network. */
const ANSWER_MS = REPLICAS_MS + 1500;
/** How long a request waits for an earlier one to the same broker. */
const PATIENCE_MS = 200;
/** A request that is older than this is late: the current leaders are asked for. */
const LATE_MS = 400;
/** The most connections for appends to one broker. */
const SLOTS_MAX = 8;
/** How many requests a partition has to itself after a failure. */
const ALONE = 16;
const BACKOFF = { firstMs: 50, mostMs: 1000 };
/** Sequence numbers are 31 bits long and then start again at 0. */
const SEQUENCES = 2 ** 31;

export class KafkaSender {
  readonly #cluster: KafkaCluster;
  readonly #compression: NonNullable<KafkaOptions['compression']>;
  readonly #states = new Map<number, PartitionState>();
  readonly #underWay = new Map<number, UnderWay[]>();
  readonly #batches = new Set<Batch>();
  #ready: Batch[] = [];
  #identity: Promise<Identity> | undefined;
  #isStarting = false;
  #closed = false;
  readonly #lookout: NodeJS.Timeout;

  constructor(cluster: KafkaCluster, compression: KafkaOptions['compression'] = 'none') {
    this.#cluster = cluster;
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
    const since = performance.now();
    const batch: Batch = { partition, messages, resolve, reject, since, failures: 0 };
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
        const slot = this.#freeSlot(leader);
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
    const ids = Map.groupBy(together, ({ partition }) => this.#stateOf(partition).identity);
    return [...ids.values(), ...batches.filter(isApart).map((batch) => [batch])];
  }

  /** A connection that may be used now, or null. Then #start runs again when one may be free. */
  #freeSlot(leader: number): number | null {
    const busy = this.#underWay.get(leader) ?? [];
    const [youngest] = busy.toSorted((a, b) => b.since - a.since);
    if (youngest === undefined) return 0;
    const left = youngest.since + PATIENCE_MS - performance.now();
    if (left > 0) {
      setTimeout(() => this.#start(), Math.ceil(left)).unref();
      return null;
    }
    const slots = Array.from({ length: SLOTS_MAX }, (_, slot) => slot);
    return slots.find((slot) => busy.every((other) => other.slot !== slot)) ?? null;
  }

  async #request(leader: number, slot: number, batches: readonly Batch[]): Promise<void> {
    const underWay = { slot, since: performance.now(), batches };
    this.#underWay.set(leader, [...(this.#underWay.get(leader) ?? []), underWay]);
    try {
      const identity = await this.#identify(batches);
      const answer = await this.#cluster.call<ProduceAnswer>(leader, purposeOf(slot), {
        api: 'Produce',
        args: () => [
          ACKS_ALL,
          REPLICAS_MS,
          messagesOf(batches),
          this.#optionsOf(batches, identity),
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
      const rest = this.#underWay.get(leader)?.filter((other) => other !== underWay) ?? [];
      this.#underWay.set(leader, rest);
      if (this.#ready.length > 0) this.#enqueue([]);
    }
  }

  #optionsOf(batches: readonly Batch[], identity: Identity) {
    const sequences = new NumericMap();
    for (const { partition } of batches) {
      sequences.set(`${this.#cluster.topic}:${partition}`, this.#stateOf(partition).sequence);
    }
    return { compression: this.#compression, ...identity, sequences };
  }

  /** The producer id of a request. All its batches have the same one, or none yet. */
  async #identify(batches: readonly Batch[]): Promise<Identity> {
    const [first] = batches as readonly [Batch];
    const has = this.#stateOf(first.partition).identity;
    if (has !== undefined) return has;
    this.#identity ??= this.#askIdentity();
    try {
      const identity = await this.#identity;
      for (const { partition } of batches) this.#stateOf(partition).identity = identity;
      return identity;
    } catch (error) {
      this.#identity = undefined;
      throw error;
    }
  }

  async #askIdentity(): Promise<Identity> {
    const request = { api: 'InitProducerId', args: () => [null, 60_000], deadlineMs: ANSWER_MS };
    return await this.#cluster.callAny('produce', request, (answer: InitProducerIdAnswer) => {
      const { errorCode, producerId, producerEpoch } = answer;
      if (errorCode === 0) return { producerId, producerEpoch };
      const reason = `Kafka refuses to assign a producer id: ${produceReason(errorCode, null)}`;
      const isForbidden = produceVerdict(errorCode) === 'forbidden';
      throw new OrderonceError(isForbidden ? 'LOG_REFUSES_APPENDS' : 'LOG_UNAVAILABLE', reason);
    });
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
    if (verdict === 'renew') {
      this.#identity = undefined;
      Object.assign(state, { identity: undefined, sequence: 0 });
    }
    if (verdict === 'retry' || verdict === 'renew') {
      this.#repeat(batch, reason);
      return;
    }
    state.trouble = null;
    state.alone = Math.max(0, state.alone - 1);
    if (verdict === 'appended') {
      state.sequence = (state.sequence + batch.messages.length) % SEQUENCES;
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
    const late = [...this.#underWay].flatMap(([leader, requests]) =>
      requests
        .filter(({ since }) => performance.now() - since > LATE_MS)
        .map((request) => ({ leader, ...request })),
    );
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
    const state = { identity: undefined, sequence: 0, alone: 0, trouble: null };
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
