/**
 * Group commit in front of the log: what arrives while an append is under way leaves together in
 * the next one. Bounded in count; every item is answered by its deadline.
 *
 * An item is one record, or several that belong together and are never split. It is `queued`,
 * then `in flight`, then acknowledged or unknown. Queued at its deadline, it
 * is withdrawn: never appended. In flight at its deadline, it may be appended later: unknown. No
 * second append starts until the one in flight resolves: overlapping idempotent sends lose order.
 */
import { OrderonceError } from '../errors.ts';
import type { AppendRecord, LogAppender, LogPosition } from '../log/event-log.ts';

export type AppendQueueOptions = {
  /** From arrival to an answer, in ms. */
  readonly deadlineMs: number;
  /** Records waiting or in flight; more are refused. */
  readonly itemsMax: number;
  /** Records of one append at most, but for an item that has more by itself. */
  readonly batchItemsMax: number;
  /** One append to one partition is one batch for the broker, whose limit is about 1 MiB. */
  readonly batchBytesMax: number;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
};

type Item = {
  readonly records: readonly AppendRecord[];
  readonly deadline: number;
  readonly resolve: (positions: readonly LogPosition[]) => void;
  readonly reject: (error: OrderonceError) => void;
};

/** How often deadlines are looked at. */
const SWEEP_MS = 50;

export class AppendQueue {
  readonly #log: LogAppender;
  readonly #options: AppendQueueOptions;
  readonly #now: () => number;
  readonly #sweep: NodeJS.Timeout;
  /** In order of arrival, so in order of deadline too. */
  #queued: Item[] = [];
  #inFlight: Item[] = [];
  /** Records of all these items. */
  #size = 0;
  #inFlightSince: number | null = null;
  #draining = false;
  #lastError: OrderonceError | null = null;
  #idle = Promise.withResolvers<void>();

  constructor(log: LogAppender, options: AppendQueueOptions) {
    this.#log = log;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#sweep = setInterval(() => this.expire(), SWEEP_MS);
    this.#sweep.unref();
  }

  /**
   * Appends one record.
   * @returns its position, once it is durable.
   * @throws LOG_NOT_ACKNOWLEDGED (unknown), QUEUE_FULL or DRAINING (certainly not appended).
   */
  append(record: AppendRecord): Promise<LogPosition> {
    return new Promise((resolve, reject) => {
      const first = (positions: readonly LogPosition[]) => resolve(positions[0] as LogPosition);
      this.#enqueue([record], first, reject);
    });
  }

  /** The same for several records, which lie in the log in this order: all or none is known. */
  appendAll(records: readonly AppendRecord[]): Promise<readonly LogPosition[]> {
    return new Promise((resolve, reject) => this.#enqueue(records, resolve, reject));
  }

  #enqueue(
    records: readonly AppendRecord[],
    resolve: Item['resolve'],
    reject: Item['reject'],
  ): void {
    const refusal = this.#refusal(records.length);
    if (refusal !== null) {
      reject(refusal);
      return;
    }
    // A little early, so that the answer is out by the deadline.
    const deadline = this.#now() + this.#options.deadlineMs - SWEEP_MS;
    this.#queued.push({ records, deadline, resolve, reject });
    this.#size += records.length;
    // Not at once: requests that arrive in the same turn of the event loop leave together.
    if (this.#inFlightSince === null) {
      this.#inFlightSince = this.#now();
      setImmediate(() => void this.#flush());
    }
  }

  #refusal(count: number): OrderonceError | null {
    if (this.#draining) return new OrderonceError('DRAINING', 'The service is stopping');
    if (this.#size + count > this.#options.itemsMax) {
      return new OrderonceError('QUEUE_FULL', 'Too many events wait for the log');
    }
    // Known beforehand: whatever waits behind an append that is overdue would expire too.
    if (this.isStalled) return this.#unacknowledged('The log does not acknowledge');
    return null;
  }

  /** Whether the append under way is older than the delivery deadline. */
  get isStalled(): boolean {
    const since = this.#inFlightSince;
    return since !== null && this.#now() - since > this.#options.deadlineMs - SWEEP_MS;
  }

  /** Why the last append failed; null after one that succeeded. */
  get lastError(): OrderonceError | null {
    return this.#lastError;
  }

  /** The cause of this error is known to be gone, though nothing has been appended since. */
  forgive(error: OrderonceError | null): void {
    if (this.#lastError === error) this.#lastError = null;
  }

  /** How many records it holds at most. */
  get itemsMax(): number {
    return this.#options.itemsMax;
  }

  /** Records waiting or in flight. */
  get size(): number {
    return this.#size;
  }

  async #flush(): Promise<void> {
    for (;;) {
      // What ran out while the last append was under way is withdrawn, not sent.
      this.expire();
      if (this.#queued.length === 0) break;
      this.#inFlight = this.#takeBatch();
      this.#inFlightSince = this.#now();
      try {
        const records = this.#inFlight.flatMap((item) => item.records);
        this.#acknowledge(await this.#log.append(records));
      } catch (error) {
        this.#lastError =
          error instanceof OrderonceError
            ? error
            : this.#unacknowledged('The append failed', error);
        const unknown = this.#unacknowledged(this.#lastError.message, error);
        for (const item of this.#inFlight) item.reject(unknown);
      }
      this.#size -= countOf(this.#inFlight);
      this.#inFlight = [];
    }
    this.#inFlightSince = null;
    this.#idle.resolve();
  }

  #acknowledge(positions: readonly LogPosition[]): void {
    this.#lastError = null;
    let from = 0;
    for (const { records, resolve } of this.#inFlight) {
      resolve(positions.slice(from, from + records.length));
      from += records.length;
    }
  }

  #takeBatch(): Item[] {
    const { batchItemsMax, batchBytesMax } = this.#options;
    let [items, count, bytes] = [0, 0, 0];
    for (const { records } of this.#queued) {
      count += records.length;
      for (const { key, value } of records) bytes += key.length + (value?.length ?? 0);
      if (items > 0 && (count > batchItemsMax || bytes > batchBytesMax)) break;
      items++;
    }
    return this.#queued.splice(0, items);
  }

  /** Answers what is past its deadline. Runs by itself; public for tests with a clock of theirs. */
  expire(): void {
    const now = this.#now();
    const firstAlive = this.#queued.findIndex((item) => item.deadline > now);
    const late = this.#queued.splice(0, firstAlive === -1 ? this.#queued.length : firstAlive);
    this.#size -= countOf(late);
    for (const item of late) item.reject(this.#unacknowledged('Withdrawn before it was sent'));
    // Settling twice does nothing: should the log still acknowledge these, nobody hears it.
    for (const item of this.#inFlight) {
      if (item.deadline > now) break;
      item.reject(this.#unacknowledged('Not acknowledged in time'));
    }
  }

  #unacknowledged(message: string, cause?: unknown): OrderonceError {
    return new OrderonceError('LOG_NOT_ACKNOWLEDGED', message, { cause });
  }

  /** Refuses new items; resolves when all others are answered, at the latest by their deadlines. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#idle = Promise.withResolvers<void>();
    const deadline = new Promise((done) => setTimeout(done, this.#options.deadlineMs));
    if (this.#inFlightSince !== null) await Promise.race([this.#idle.promise, deadline]);
    this.expire();
    clearInterval(this.#sweep);
  }
}

function countOf(items: readonly Item[]): number {
  return items.reduce((sum, { records }) => sum + records.length, 0);
}
