/** A log in memory to read from, with a group that the test controls. */
import {
  type AssignmentListener,
  type FetchAnswer,
  type FetchLimits,
  type FetchWish,
  type LogBounds,
  type LogIdentity,
  type LogReader,
  type LogRecord,
  NOTHING_NEW,
} from '../../src/log/event-log.ts';
import { pause } from '../../src/runtime/backoff.ts';
import { recordOf, type WireEvent } from './events.ts';

/** The most records of one fetch. */
const FETCH_MAX = 15;

export class FakeReader implements LogReader {
  readonly topic = 'order_events';
  readonly hints: (readonly [partition: number, next: number])[] = [];
  listener: AssignmentListener | undefined;
  topicId = 'topic-1';
  failure: Error | null = null;
  closed = false;
  groupTrouble: string | null = null;
  /** By partition, the offset after the last fetched record. */
  readonly fetchedUpTo = new Map<number, number>();
  readonly #partitions: LogRecord[][];
  #arrived = Promise.withResolvers<void>();

  constructor(partitions: number) {
    this.#partitions = Array.from({ length: partitions }, () => []);
  }

  put(partition: number, ...events: (WireEvent | string)[]): void {
    const records = this.#partitions[partition] as LogRecord[];
    for (const event of events) records.push(recordOf(records.length, event, partition));
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  async identity(): Promise<LogIdentity> {
    this.#failIfBroken();
    return { topic: this.topic, topicId: this.topicId, partitions: this.#partitions.length };
  }

  async bounds(partitions: readonly number[]): Promise<Map<number, LogBounds>> {
    this.#failIfBroken();
    return new Map(
      partitions.map((p) => [p, { start: 0, end: this.#partitions[p]?.length ?? 0 }] as const),
    );
  }

  async fetch(
    _topicId: string,
    wishes: readonly FetchWish[],
    limits: FetchLimits,
  ): Promise<FetchAnswer> {
    const arrived = this.#arrived.promise;
    this.#failIfBroken();
    const slices = wishes.flatMap(({ partition, offset }) => {
      const records = (this.#partitions[partition] ?? []).slice(offset, offset + FETCH_MAX);
      if (records.length === 0) return [];
      const next = offset + records.length;
      this.fetchedUpTo.set(partition, next);
      return [{ partition, from: offset, next, records, gaps: [], leaderEpoch: 0 }];
    });
    if (slices.length === 0) await Promise.race([arrived, pause(limits.waitMs)]);
    return { ...NOTHING_NEW, slices, served: wishes.map(({ partition }) => partition) };
  }

  async join(listener: AssignmentListener): Promise<void> {
    this.listener = listener;
    listener.onAssign([...this.#partitions.keys()]);
  }

  async commitHint(positions: ReadonlyMap<number, number>): Promise<void> {
    this.hints.push(...positions);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.#arrived.resolve();
  }

  #failIfBroken(): void {
    if (this.failure !== null) throw this.failure;
  }
}
