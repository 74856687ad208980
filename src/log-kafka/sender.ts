/**
 * Carries batches to the brokers that lead their partitions, and repeats each until it is known
 * what became of it. One batch per partition is under way at a time.
 *
 * - Batches of partitions with one leader go in one request. While a request is unanswered, others
 *   to the same broker wait PATIENCE_MS for it, then take a connection of their own: a partition
 *   whose replicas lag delays the whole answer, and must not hold up others for long. A partition
 *   that was in trouble is asked for alone until it is well.
 * - Producer id and sequence numbers are kept across all tries, so that the broker drops repeats
 *   (KIP-98). Each partition has its own, since one may have to begin anew.
 * - While a request is late, the leaders are asked for. Where a partition has a new leader, waiting
 *   for the old one is useless: the connection is given up and the batch goes to the new leader.
 */
import { NumericMap } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { backoffMs } from '../runtime/backoff.ts';
import type { KafkaCluster } from './cluster.ts';
import type { KafkaOptions } from './connection.ts';
import { produceReason, produceVerdict } from './produce-outcome.ts';

/** A record in the form that the client's codec takes. */
export type ProduceMessage = {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer | undefined;
  readonly headers: ReadonlyMap<Buffer, Buffer>;
  /** Set when it is first sent, and kept: a repeat is the same bytes. */
  timestamp?: bigint;
};

/** What became of a batch. All outcomes are known; while one is not, the batch is repeated. */
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
  /** Requests it is to be alone in yet. */
  alone: number;
  /** Why it is being repeated, for health; null while all is well. */
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
/** How long the broker waits for replicas before it answers for those that have what they need. */
const REPLICAS_MS = 1500;
/** The broker's own wait, and the way. */
const ANSWER_MS = REPLICAS_MS + 1500;
const PATIENCE_MS = 200;
/** A request that is older makes us ask who leads its partitions, this often. */
const LATE_MS = 400;
const SLOTS_MAX = 8;
/** So many requests a partition is alone in after trouble. */
const ALONE = 16;
const BACKOFF = { firstMs: 50, mostMs: 1000 };
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
   * Sends a batch of one partition; the caller sends the next one of it afterwards.
   * @throws LOG_UNAVAILABLE when it was closed meanwhile: then the outcome is unknown.
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

  /** By partition, why its batch is being repeated. */
  get troubles(): ReadonlyMap<number, string> {
    const found = new Map<number, string>();
    for (const { partition } of this.#batches) {
      const { trouble } = this.#stateOf(partition);
      if (trouble !== null) found.set(partition, trouble);
    }
    return found;
  }

  /** What is under way stays unknown to its callers. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#lookout);
    for (const batch of this.#batches) batch.reject(closed());
  }

  #enqueue(batches: readonly Batch[]): void {
    if (this.#closed) for (const batch of batches) batch.reject(closed());
    else this.#ready.push(...batches);
    // Not at once: what is sent in the same turn of the event loop goes in one request.
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

  /** Batches that may share a request; those in trouble stay alone. */
  #groupsOf(batches: readonly Batch[]): Batch[][] {
    const isApart = (batch: Batch) => this.#stateOf(batch.partition).alone > 0;
    const together = batches.filter((batch) => !isApart(batch));
    const ids = Map.groupBy(together, ({ partition }) => this.#stateOf(partition).identity);
    return [...ids.values(), ...batches.filter(isApart).map((batch) => [batch])];
  }

  /** A connection that may be used now, or null: then a look at the right time is arranged. */
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
      // Without an id nothing was sent.
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

  /** All batches of a request have the same id, or none yet. */
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
      const reason = `Kafka gives no producer id: ${produceReason(errorCode, null)}`;
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

  /** While requests are late: gives up those whose partitions are led by another broker now. */
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
