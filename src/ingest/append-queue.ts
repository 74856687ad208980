/**
 * The queue of records in front of the log. The number of records is bounded, and each is answered
 * by its deadline. Each lane of the log has a queue of its own, so an unavailable partition delays
 * only its own events. Its events cannot fill the whole queue either: a delayed lane accepts no
 * more than an equal share.
 */
import { OrderonceError } from '../errors.ts';
import {
  type AppendOutcome,
  type AppendRecord,
  isRefusal,
  type LogAppender,
  type LogPosition,
} from '../log/event-log.ts';
import { AppendLane, type Item, type LaneLimits, SWEEP_MS } from './append-lane.ts';

/** Kafka's default limit is 1 MiB for a batch; this leaves room for the overhead of its records. */
export const APPEND_BYTES_MAX = 512 * 1024;

export type AppendQueueOptions = LaneLimits & {
  /** The most records queued or in flight. Further ones are refused. */
  readonly itemsMax: number;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
};

export class AppendQueue {
  readonly #log: LogAppender;
  readonly #options: AppendQueueOptions & { readonly now: () => number };
  readonly #sweep: NodeJS.Timeout;
  #lanes: AppendLane[] = [];
  #arrived = 0;
  /** Number of records that are queued or in flight, in all lanes. */
  #size = 0;
  #draining = false;
  #idle = Promise.withResolvers<void>();

  constructor(log: LogAppender, options: AppendQueueOptions) {
    this.#log = log;
    this.#options = { now: () => performance.now(), ...options };
    this.#sweep = setInterval(() => this.expire(), SWEEP_MS);
    this.#sweep.unref();
  }

  /**
   * Appends one record.
   * @returns its position, once the record is durable.
   * @throws LOG_NOT_ACKNOWLEDGED: the outcome is unknown. QUEUE_FULL, DRAINING: the record was
   * certainly not appended. RECORD_TOO_LARGE, RECORD_REFUSED: it would be refused each time.
   */
  async append(record: AppendRecord): Promise<LogPosition> {
    const refusal = this.#refusal(1);
    if (refusal !== null) throw refusal;
    this.#followLanes();
    const outcomes = await this.#enqueue(this.#log.laneOf(record.key), [record]);
    const [outcome] = outcomes as readonly [AppendOutcome];
    if (isRefusal(outcome)) throw outcome;
    return outcome;
  }

  /**
   * Appends several records. Those with the same key are in the log in the given order.
   * @returns for each record its position, or the error that append() would throw. Never throws.
   */
  async appendAll(records: readonly AppendRecord[]): Promise<AppendOutcome[]> {
    const refusal = this.#refusal(records.length);
    if (refusal !== null) return records.map(() => refusal);
    this.#followLanes();
    const outcomes: AppendOutcome[] = [];
    const groups = Map.groupBy(records.keys(), (index) =>
      this.#log.laneOf((records[index] as AppendRecord).key),
    );
    const settling = [...groups].map(async ([lane, indexes]) => {
      const given = await this.#enqueue(
        lane,
        indexes.map((index) => records[index] as AppendRecord),
      );
      indexes.forEach((index, i) => {
        outcomes[index] = given[i] as AppendOutcome;
      });
    });
    await Promise.all(settling);
    return outcomes;
  }

  async #enqueue(
    lane: number,
    records: readonly AppendRecord[],
  ): Promise<readonly AppendOutcome[]> {
    const refusals = records.map((record) => this.#log.refusalOf(record));
    const taken = records.filter((_, index) => refusals[index] === null);
    if (taken.length === 0) return refusals as OrderonceError[];
    if (this.#isOverShare(lane, taken.length)) {
      const full = new OrderonceError('QUEUE_FULL', 'Too many events wait for this partition');
      return refusals.map((refusal) => refusal ?? full);
    }
    const { promise, resolve } = Promise.withResolvers<readonly AppendOutcome[]>();
    this.#lanes[lane]?.add({
      records: taken,
      // A little early, so that the answer is sent before the deadline.
      deadline: this.#options.now() + this.#options.deadlineMs - SWEEP_MS,
      number: this.#arrived++,
      resolve,
      reject: (error) => resolve(taken.map(() => error)),
    });
    this.#recount();
    const outcomes = await promise;
    let next = 0;
    return refusals.map((refusal) => refusal ?? (outcomes[next++] as AppendOutcome));
  }

  #refusal(count: number): OrderonceError | null {
    if (this.#draining) return new OrderonceError('DRAINING', 'The service is stopping');
    if (this.#size + count <= this.#options.itemsMax) return null;
    return new OrderonceError('QUEUE_FULL', 'Too many events wait for the log');
  }

  #isOverShare(lane: number, count: number): boolean {
    const { isHeldUp = false, size = 0 } = this.#lanes[lane] ?? {};
    return isHeldUp && size + count > Math.ceil(this.#options.itemsMax / this.#lanes.length);
  }

  /**
   * If the log has more lanes than before, a key may belong to another lane. All queued items move
   * to their new lanes, in order of arrival, before a new item is queued. Otherwise a later event
   * of an order could overtake an earlier one.
   */
  #followLanes(): void {
    if (this.#lanes.length >= this.#log.lanes) return;
    const queued = this.#lanes.flatMap((lane) => lane.takeQueued());
    while (this.#lanes.length < this.#log.lanes) {
      const lane = this.#lanes.length;
      this.#lanes.push(new AppendLane(this.#log, lane, this.#options, () => this.#recount()));
    }
    for (const item of queued.sort((a, b) => a.number - b.number)) this.#laneOf(item)?.add(item);
  }

  #laneOf({ records }: Item): AppendLane | undefined {
    return this.#lanes[this.#log.laneOf((records[0] as AppendRecord).key)];
  }

  #recount(): void {
    this.#size = this.#lanes.reduce((sum, lane) => sum + lane.size, 0);
    if (this.#lanes.every((lane) => lane.isIdle)) this.#idle.resolve();
  }

  /** By lane, why its last append failed or does not complete. */
  get troubles(): ReadonlyMap<number, string> {
    const found = [...this.#lanes.entries()].map(([lane, { trouble }]) => [lane, trouble] as const);
    return new Map(found.filter((entry): entry is [number, string] => entry[1] !== null));
  }

  /** The errors of those lanes whose last append failed. */
  get failures(): readonly OrderonceError[] {
    return this.#lanes.flatMap(({ failure }) => failure ?? []);
  }

  /**
   * Forgets failures after a successful check of the log.
   * @param failures the failures from before the check. Those that it proves to be over are
   * forgotten.
   */
  forgive(failures: readonly OrderonceError[]): void {
    for (const failure of failures.filter((one) => this.#log.isOverAfterCheck(one))) {
      for (const lane of this.#lanes) lane.forgive(failure);
    }
  }

  /** The known number of lanes; 0 before the first append. */
  get lanes(): number {
    return this.#lanes.length;
  }

  /** For how long the oldest record has been queued or in flight, in ms; 0 if there is none. */
  get oldestMs(): number {
    const { now, deadlineMs } = this.#options;
    const deadlines = this.#lanes.flatMap(({ deadline }) => deadline ?? []);
    if (deadlines.length === 0) return 0;
    return Math.max(0, now() - (Math.min(...deadlines) - deadlineMs + SWEEP_MS));
  }

  /** The most records that the queue holds. */
  get itemsMax(): number {
    return this.#options.itemsMax;
  }

  /** Number of records that are queued or in flight. */
  get size(): number {
    return this.#size;
  }

  /** Answers items past their deadline. A timer calls it; public for tests with their own clock. */
  expire(): void {
    for (const lane of this.#lanes) lane.expire();
    this.#recount();
  }

  /**
   * Refuses new records. Resolves when all others are answered, at the latest at their deadlines.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#idle = Promise.withResolvers<void>();
    const deadline = new Promise((done) => setTimeout(done, this.#options.deadlineMs));
    this.#recount();
    await Promise.race([this.#idle.promise, deadline]);
    this.expire();
    clearInterval(this.#sweep);
  }
}
