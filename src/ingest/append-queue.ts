/**
 * What waits for the log: bounded in count, every item answered by its deadline. Each lane of the
 * log has a queue of its own, so that a partition which is not available delays only its events. Nor
 * can its events use up the bound: a lane that is held up takes no more than its equal share.
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

export type AppendQueueOptions = LaneLimits & {
  /** Records waiting or in flight; more are refused. */
  readonly itemsMax: number;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
};

export class AppendQueue {
  readonly #log: LogAppender;
  readonly #options: AppendQueueOptions & { readonly now: () => number };
  readonly #sweep: NodeJS.Timeout;
  #lanes: AppendLane[] = [];
  #arrived = 0;
  /** Records that are not answered yet, or still in flight. */
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
   * @returns its position, once it is durable.
   * @throws LOG_NOT_ACKNOWLEDGED (unknown), QUEUE_FULL or DRAINING (certainly not appended),
   * RECORD_TOO_LARGE or RECORD_REFUSED (never will be).
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
   * The same for several records; those of one key lie in the log in this order.
   * @returns for each its position, or the error that append() would throw. Never throws.
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
      // A little early, so that the answer is out by the deadline.
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
   * A log that has grown has other lanes: what is not under way takes them, in the order of its
   * arrival, before anything new does. Else a later event of an order could overtake an earlier one.
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

  /** Lanes whose last append failed or does not end: lane → why. */
  get troubles(): ReadonlyMap<number, string> {
    const found = [...this.#lanes.entries()].map(([lane, { trouble }]) => [lane, trouble] as const);
    return new Map(found.filter((entry): entry is [number, string] => entry[1] !== null));
  }

  /** What the last appends failed with, lane by lane. */
  get failures(): readonly OrderonceError[] {
    return this.#lanes.flatMap(({ failure }) => failure ?? []);
  }

  /**
   * To be called when a check of the log has succeeded.
   * @param failures from before that check: those that it shows to be over are forgotten.
   */
  forgive(failures: readonly OrderonceError[]): void {
    for (const failure of failures.filter((one) => this.#log.isOverAfterCheck(one))) {
      for (const lane of this.#lanes) lane.forgive(failure);
    }
  }

  /** How many lanes there are, as far as is known. */
  get lanes(): number {
    return this.#lanes.length;
  }

  /** How many records it holds at most. */
  get itemsMax(): number {
    return this.#options.itemsMax;
  }

  /** Records waiting or in flight. */
  get size(): number {
    return this.#size;
  }

  /** Answers what is past its deadline. Runs by itself; public for tests with a clock of theirs. */
  expire(): void {
    for (const lane of this.#lanes) lane.expire();
    this.#recount();
  }

  /** Refuses new items; resolves when all others are answered, at the latest by their deadlines. */
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
