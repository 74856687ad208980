import { OrderonceError, reasonOf } from '../errors.ts';
import {
  type AssignmentListener,
  type FetchAnswer,
  type FetchLimits,
  type FetchWish,
  type LogBounds,
  type LogIdentity,
  type LogReader,
  NOTHING_NEW,
} from '../log/event-log.ts';
import { pause } from '../runtime/backoff.ts';
import { within } from '../runtime/deadline.ts';
import { KafkaCluster } from './cluster.ts';
import { type FetchResponse, fetchRequest, readFetchAnswer } from './fetch.ts';
import { type GroupOptions, KafkaGroup } from './group.ts';
import { listOffsets } from './offsets.ts';
import type { TopicLayout } from './topic-layout.ts';

/** Age at which the layout of the topic is refreshed, so that added partitions are noticed. */
const LAYOUT_MS = 3000;
/** A fetch that is not answered this long after its wait has failed. */
const FETCH_GRACE_MS = 1500;

/**
 * Fetches from exact offsets. The client library's streams are not used: at each rebalance they
 * return to committed offsets, and they deliver records of partitions that were reassigned.
 *
 * One request runs per broker, on a connection of its own. fetch() returns as soon as one broker
 * has answered, so a broker that waits, hangs or fails does not delay the others; later calls
 * return their answers. If a broker fails, only its partitions count as failed.
 */
export class KafkaReader implements LogReader {
  readonly topic: string;
  readonly #cluster: KafkaCluster;
  readonly #group: KafkaGroup;
  /** By partition, up to where it was read, and the leader epoch of the last batch there. */
  readonly #read = new Map<number, { readonly next: number; readonly epoch: number }>();
  /** Partitions whose leader could not be asked, and its epoch then. */
  readonly #lost = new Map<number, number>();
  readonly #underWay = new Map<number, Promise<{ leader: number; answer: FetchAnswer }>>();
  #growthTimer: NodeJS.Timeout | undefined;
  /** The number of partitions before the last join; 0 if it was not known then. */
  #partitions = 0;

  constructor(options: GroupOptions) {
    this.topic = options.topic;
    this.#group = new KafkaGroup(options);
    this.#cluster = new KafkaCluster(options);
  }

  async identity(): Promise<LogIdentity> {
    const { id, partitions } = await this.#cluster.layout(0);
    return { topic: this.topic, topicId: id, partitions: partitions.length };
  }

  async bounds(partitions: readonly number[], fresh = false): Promise<Map<number, LogBounds>> {
    const layout = await this.#cluster.layout(fresh ? 0 : LAYOUT_MS);
    return await listOffsets(this.#cluster, layout, partitions);
  }

  async fetch(
    topicId: string,
    wishes: readonly FetchWish[],
    limits: FetchLimits,
  ): Promise<FetchAnswer> {
    const layout = await this.#cluster.layout(LAYOUT_MS);
    if (layout.id !== topicId) {
      throw new OrderonceError('LOG_RECREATED', `Topic "${this.topic}" was deleted and re-created`);
    }
    const leaderless = new Map<number, string>();
    for (const [leader, ofLeader] of Map.groupBy(wishes, (wish) => leaderOf(layout, wish))) {
      if (leader === null)
        for (const { partition } of ofLeader) leaderless.set(partition, NO_LEADER);
      else if (!this.#underWay.has(leader)) {
        const answer = this.#fetchFrom(leader, layout, ofLeader, limits);
        this.#underWay.set(
          leader,
          answer.then((given) => ({ leader, answer: given })),
        );
      }
    }
    if (leaderless.size > 0) this.#cluster.refresh().catch(() => {});
    const answer = await this.#firstAnswer(limits.waitMs);
    return { ...answer, failed: new Map([...leaderless, ...answer.failed]) };
  }

  /** Returns without news after the wait: by the next call a partition may have a new leader. */
  async #firstAnswer(waitMs: number): Promise<FetchAnswer> {
    if (this.#underWay.size === 0) return NOTHING_NEW;
    const over = new AbortController();
    const silence = pause(waitMs + FETCH_GRACE_MS / 3, over.signal).then(() => null);
    const first = await Promise.race([...this.#underWay.values(), silence]);
    over.abort();
    if (first === null) return { ...NOTHING_NEW, hasMore: true };
    this.#underWay.delete(first.leader);
    return { ...first.answer, hasMore: this.#underWay.size > 0 };
  }

  /** Never rejects: an error makes these partitions count as failed. */
  async #fetchFrom(
    leader: number,
    layout: TopicLayout,
    wishes: readonly FetchWish[],
    limits: FetchLimits,
  ): Promise<FetchAnswer> {
    try {
      const known = wishes.map((wish) => ({ ...wish, lastEpoch: this.#epochBefore(wish) }));
      const request = fetchRequest(this.topic, layout, known, limits, FETCH_GRACE_MS);
      const response = await this.#cluster.call<FetchResponse>(leader, 'fetch', request);
      const answer = readFetchAnswer(response, wishes);
      for (const { partition, next, leaderEpoch } of answer.slices) {
        this.#read.set(partition, { next, epoch: leaderEpoch });
      }
      const doubtful = this.#doubtfulIn(answer, layout);
      for (const partition of [...answer.diverged, ...doubtful]) this.#read.delete(partition);
      // The usual reason for a failure is that another broker leads the partition now.
      if (answer.failed.size > 0) this.#cluster.refresh().catch(() => {});
      if (doubtful.length === 0) return answer;
      const slices = answer.slices.filter(({ partition }) => !doubtful.includes(partition));
      return { ...answer, slices, diverged: [...answer.diverged, ...doubtful] };
    } catch (error) {
      this.#cluster.refresh().catch(() => {});
      for (const { partition } of wishes) {
        if (this.#read.has(partition)) this.#lost.set(partition, epochIn(layout, partition));
      }
      const reason = reasonOf(error);
      return {
        ...NOTHING_NEW,
        failed: new Map(wishes.map(({ partition }) => [partition, reason])),
      };
    }
  }

  /**
   * Partitions that are served again by the same leader in the same epoch. It may have restarted
   * from an older disk, and its log have grown again: without an election, no epoch tells that
   * (Kafka with ZooKeeper begins none for a partition with one replica).
   */
  #doubtfulIn({ served }: FetchAnswer, layout: TopicLayout): number[] {
    return served.filter((partition) => {
      const epoch = this.#lost.get(partition);
      this.#lost.delete(partition);
      return epoch !== undefined && epoch === epochIn(layout, partition);
    });
  }

  /** -1 at the start, and where another offset is wanted than the one behind what was read. */
  #epochBefore({ partition, offset }: FetchWish): number {
    const read = this.#read.get(partition);
    return read?.next === offset ? read.epoch : -1;
  }

  async join(listener: AssignmentListener): Promise<void> {
    this.#growthTimer = setInterval(() => void this.#rejoinIfGrown(), LAYOUT_MS);
    this.#growthTimer.unref();
    // As it is before the join: partitions that are added later must cause another one.
    const layout = await this.#cluster.layout(0).catch(() => null);
    this.#partitions = layout?.partitions.length ?? 0;
    await this.#group.join(listener);
  }

  /** The client library does not notice added partitions, so this process rejoins the group. */
  async #rejoinIfGrown(): Promise<void> {
    // Fetches refresh the layout too, but a process without partitions does not fetch.
    const layout = await this.#cluster.layout(LAYOUT_MS).catch(() => null);
    if (layout === null) return;
    const hasGrown = layout.partitions.length !== this.#partitions;
    this.#partitions = layout.partitions.length;
    if (hasGrown) await this.#group.rejoin({ afterOther: true });
  }

  get groupTrouble(): string | null {
    return this.#group.trouble;
  }

  async commitHint(positions: ReadonlyMap<number, number>): Promise<void> {
    await this.#group.commitHint(positions);
  }

  async close(deadlineMs: number): Promise<void> {
    clearInterval(this.#growthTimer);
    this.#cluster.close();
    const late = () => new Error('late');
    await within(deadlineMs, this.#group.close(deadlineMs), late).catch(() => {});
  }
}

const NO_LEADER = 'No broker leads it now';

const epochIn = (layout: TopicLayout, partition: number) =>
  layout.partitions[partition]?.epoch ?? -1;

function leaderOf(layout: TopicLayout, { partition }: FetchWish): number | null {
  return layout.partitions[partition]?.leader ?? null;
}
