import {
  type ClusterTopicMetadata,
  ConnectionPool,
  type Consumer,
  MultipleErrors,
} from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import type {
  AssignmentListener,
  FetchAnswer,
  FetchLimits,
  FetchWish,
  LogBounds,
  LogIdentity,
  LogReader,
  LogSlice,
} from './event-log.ts';
import { isProtocolError, kafkaError } from './kafka-connection.ts';
import { type GroupOptions, KafkaGroup } from './kafka-group.ts';
import { sliceOf } from './kafka-records.ts';
import type { KafkaSecurity } from './kafka-security.ts';

type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>;

const OFFSET_OUT_OF_RANGE = 1;
const READ_COMMITTED = 1;
const BYTES_PER_ANSWER_MAX = 8 << 20;
/** How much longer than its wait a fetch may take before its connections are given up. */
const FETCH_GRACE_MS = 10_000;
const GROWTH_CHECK_MS = 3000;

/**
 * Fetches from exact offsets with the low-level API: the client's streams go back to committed
 * offsets at each rebalance and hand out records of lost partitions.
 *
 * One request is under way per broker. An answer of one broker is not held back by the long poll
 * of another: it comes with this call, the others' with a later one.
 */
export class KafkaReader implements LogReader {
  readonly topic: string;
  readonly #group: KafkaGroup;
  readonly #underWay = new Map<number, Promise<{ leader: number; answer: FetchAnswer }>>();
  // Sockets of its own: a long poll on the group's connection would block heartbeats.
  #pool: ConnectionPool;
  readonly #security: KafkaSecurity;
  #growthTimer: NodeJS.Timeout | undefined;
  #partitions = 0;

  constructor(options: GroupOptions) {
    this.topic = options.topic;
    this.#group = new KafkaGroup(options);
    this.#security = options.security ?? {};
    this.#pool = newPool(this.#security);
  }

  async identity(): Promise<LogIdentity> {
    const { id, partitionsCount } = await this.#metadata();
    return { topic: this.topic, topicId: id, partitions: partitionsCount };
  }

  async bounds(partitions: readonly number[], fresh = false): Promise<Map<number, LogBounds>> {
    const wish = { topics: [this.topic], isolationLevel: 0 };
    try {
      if (fresh) this.#group.consumer.clearMetadata();
      const starts = await this.#group.consumer.listOffsets({ ...wish, timestamp: -2n });
      const ends = await this.#group.consumer.listOffsets({ ...wish, timestamp: -1n });
      const at = (offsets: Map<string, bigint[]>, partition: number) =>
        Number(offsets.get(this.topic)?.[partition]);
      return new Map(
        partitions.map((p) => [p, { start: at(starts, p), end: at(ends, p) }] as const),
      );
    } catch (error) {
      throw kafkaError(error, this.topic);
    }
  }

  async fetch(
    topicId: string,
    wishes: readonly FetchWish[],
    limits: FetchLimits,
  ): Promise<FetchAnswer> {
    const metadata = await this.#metadata();
    if (metadata.id !== topicId) {
      throw new OrderonceError('LOG_RECREATED', `Topic "${this.topic}" was deleted and re-created`);
    }
    for (const [leader, ofLeader] of Map.groupBy(wishes, (wish) => leaderOf(metadata, wish))) {
      if (leader === undefined || this.#underWay.has(leader)) continue;
      const answer = this.#fetchFrom(leader, metadata, ofLeader, limits);
      // Handled where it is awaited; until then a rejection must not count as unhandled.
      answer.catch(() => {});
      this.#underWay.set(
        leader,
        answer.then((given) => ({ leader, answer: given })),
      );
    }
    if (this.#underWay.size === 0) {
      throw new OrderonceError('LOG_UNAVAILABLE', 'No broker leads the wanted partitions');
    }
    return await this.#firstAnswer();
  }

  async #firstAnswer(): Promise<FetchAnswer> {
    try {
      const { leader, answer } = await Promise.race(this.#underWay.values());
      this.#underWay.delete(leader);
      return { ...answer, hasMore: this.#underWay.size > 0 };
    } catch (error) {
      this.#underWay.clear();
      throw kafkaError(error, this.topic);
    }
  }

  async #fetchFrom(
    leader: number,
    { id, partitions }: ClusterTopicMetadata,
    wishes: readonly FetchWish[],
    limits: FetchLimits,
  ): Promise<FetchAnswer> {
    const request = this.#group.consumer.fetch({
      node: leader,
      connectionPool: this.#pool,
      maxWaitTime: limits.waitMs,
      minBytes: 1,
      maxBytes: BYTES_PER_ANSWER_MAX,
      // Only up to the last stable offset, and with the list of aborted transactions.
      isolationLevel: READ_COMMITTED,
      topics: [
        {
          topicId: id,
          partitions: wishes.map(({ partition, offset }) => ({
            partition,
            fetchOffset: BigInt(offset),
            currentLeaderEpoch: partitions[partition]?.leaderEpoch ?? -1,
            lastFetchedEpoch: -1,
            partitionMaxBytes: limits.bytesPerPartition,
          })),
        },
      ],
    });
    try {
      const late = () => new OrderonceError('LOG_UNAVAILABLE', 'Kafka left a fetch unanswered');
      const response = await within(limits.waitMs + FETCH_GRACE_MS, request, late);
      return readAnswer(response, wishes);
    } catch (error) {
      if (error instanceof OrderonceError) this.#renewPool();
      if (isProtocolError(error, 'UNKNOWN_TOPIC_ID')) this.#group.consumer.clearMetadata();
      // One bad partition rejects the whole call; the good ones' records are inside the error.
      const response = responseIn(error);
      if (response === null) throw error;
      const answer = readAnswer(response, wishes);
      if (answer.failed.size === wishes.length) throw error;
      return answer;
    }
  }

  #renewPool(): void {
    void this.#pool.close().catch(() => {});
    this.#pool = newPool(this.#security);
  }

  async join(listener: AssignmentListener): Promise<void> {
    this.#growthTimer = setInterval(() => void this.#rejoinIfGrown(), GROWTH_CHECK_MS);
    this.#growthTimer.unref();
    await this.#group.join(listener);
  }

  /** The group never notices added partitions by itself. */
  async #rejoinIfGrown(): Promise<void> {
    try {
      const { partitionsCount } = await this.#metadata();
      const hasGrown = this.#partitions !== 0 && partitionsCount !== this.#partitions;
      this.#partitions = partitionsCount;
      if (hasGrown) await this.#group.rejoin();
    } catch {
      // The fetch loop meets the same trouble and reports it.
    }
  }

  get groupTrouble(): string | null {
    return this.#group.trouble;
  }

  async commitHint(positions: ReadonlyMap<number, number>): Promise<void> {
    const offsets = [...positions].map(([partition, next]) => ({
      topic: this.topic,
      partition,
      offset: BigInt(next),
      leaderEpoch: -1,
    }));
    if (offsets.length === 0) return;
    await this.#group.consumer.commit({ offsets }).catch(() => {});
  }

  async close(deadlineMs: number): Promise<void> {
    clearInterval(this.#growthTimer);
    await this.#group.close(deadlineMs / 2);
    const late = () => new Error('late');
    await within(deadlineMs / 2, this.#pool.close(), late).catch(() => {});
  }

  async #metadata(): Promise<ClusterTopicMetadata> {
    try {
      const wish = { topics: [this.topic], metadataMaxAge: GROWTH_CHECK_MS };
      const { topics } = await this.#group.consumer.metadata(wish);
      const topic = topics.get(this.topic);
      if (topic !== undefined && topic.partitionsCount > 0) return topic;
      throw new OrderonceError('LOG_UNAVAILABLE', `Topic "${this.topic}" has no partitions yet`);
    } catch (error) {
      throw kafkaError(error, this.topic);
    }
  }
}

function newPool(security: KafkaSecurity): ConnectionPool {
  const limits = { connectTimeout: 3000, requestTimeout: 10_000 };
  return new ConnectionPool('orderonce-fetch', { ...security, ...limits });
}

/** Requests are built from metadata only: an unknown partition index would crash the client. */
function leaderOf(metadata: ClusterTopicMetadata, { partition }: FetchWish): number | undefined {
  const leader = metadata.partitions[partition]?.leader;
  return leader !== undefined && leader >= 0 ? leader : undefined;
}

function responseIn(error: unknown): FetchResponse | null {
  if (error instanceof MultipleErrors) return responseIn(error.errors.at(-1)) ?? ownResponse(error);
  return ownResponse(error);
}

function ownResponse(error: unknown): FetchResponse | null {
  const response = (error as { response?: FetchResponse } | null)?.response;
  return response !== undefined && 'responses' in response ? response : null;
}

function readAnswer(response: FetchResponse, wishes: readonly FetchWish[]): FetchAnswer {
  const froms = new Map(wishes.map(({ partition, offset }) => [partition, offset]));
  const slices: LogSlice[] = [];
  const outOfRange: number[] = [];
  const failed = new Map<number, string>();
  for (const answer of response.responses.flatMap((topic) => topic.partitions)) {
    const { partitionIndex: partition, errorCode } = answer;
    const from = froms.get(partition);
    if (errorCode === OFFSET_OUT_OF_RANGE) outOfRange.push(partition);
    else if (errorCode !== 0) failed.set(partition, `Kafka answers with error ${errorCode}`);
    if (errorCode !== 0 || from === undefined) continue;
    const slice = sliceOf(partition, from, answer.records ?? [], answer.abortedTransactions ?? []);
    if (slice.next > from) slices.push(slice);
  }
  return { slices, outOfRange, failed, hasMore: false };
}
