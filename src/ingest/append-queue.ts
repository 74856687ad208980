/**
 * Group commit in front of the log: what arrives while an append is under way leaves together in
 * the next one. Bounded in count; every item is answered by its deadline.
 *
 * An item is `queued`, then `in flight`, then acknowledged or unknown. Queued at its deadline, it
 * is withdrawn: never appended. In flight at its deadline, it may be appended later: unknown. No
 * second append starts until the one in flight resolves: overlapping idempotent sends lose order.
 */
import { OrderonceError } from '../errors.ts';
import type { AppendRecord, LogAppender, LogPosition } from '../log/event-log.ts';

export type AppendQueueOptions = {
  /** From arrival to an answer, in ms. */
  readonly deadlineMs: number;
  /** Items waiting or in flight; one more is refused. */
  readonly itemsMax: number;
  readonly batchItemsMax: number;
  /** One append to one partition is one batch for the broker, whose limit is about 1 MiB. */
  readonly batchBytesMax: number;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
};

type Item = {
  readonly record: AppendRecord;
  readonly deadline: number;
  readonly resolve: (position: LogPosition) => void;
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
    const refusal = this.#refusal();
    if (refusal !== null) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      // A little early, so that the answer is out by the deadline.
      const deadline = this.#now() + this.#options.deadlineMs - SWEEP_MS;
      this.#queued.push({ record, deadline, resolve, reject });
      // Not at once: requests that arrive in the same turn of the event loop leave together.
      if (this.#inFlightSince === null) {
        this.#inFlightSince = this.#now();
        setImmediate(() => void this.#flush());
      }
    });
  }

  #refusal(): OrderonceError | null {
    if (this.#draining) return new OrderonceError('DRAINING', 'The service is stopping');
    if (this.#queued.length + this.#inFlight.length >= this.#options.itemsMax) {
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

  get size(): number {
    return this.#queued.length + this.#inFlight.length;
  }

  async #flush(): Promise<void> {
    for (;;) {
      // What ran out while the last append was under way is withdrawn, not sent.
      this.expire();
      if (this.#queued.length === 0) break;
      this.#inFlight = this.#takeBatch();
      this.#inFlightSince = this.#now();
      try {
        const positions = await this.#log.append(this.#inFlight.map((item) => item.record));
        this.#lastError = null;
        this.#inFlight.forEach((item, index) => void item.resolve(positions[index] as LogPosition));
      } catch (error) {
        this.#lastError =
          error instanceof OrderonceError
            ? error
            : this.#unacknowledged('The append failed', error);
        const unknown = this.#unacknowledged(this.#lastError.message, error);
        for (const item of this.#inFlight) item.reject(unknown);
      }
      this.#inFlight = [];
    }
    this.#inFlightSince = null;
    this.#idle.resolve();
  }

  #takeBatch(): Item[] {
    const { batchItemsMax, batchBytesMax } = this.#options;
    let count = 0;
    for (let bytes = 0; count < this.#queued.length && count < batchItemsMax; count++) {
      const { key, value } = (this.#queued[count] as Item).record;
      bytes += key.length + (value?.length ?? 0);
      if (bytes > batchBytesMax && count > 0) break;
    }
    return this.#queued.splice(0, count);
  }

  /** Answers what is past its deadline. Runs by itself; public for tests with a clock of theirs. */
  expire(): void {
    const now = this.#now();
    const firstAlive = this.#queued.findIndex((item) => item.deadline > now);
    const late = this.#queued.splice(0, firstAlive === -1 ? this.#queued.length : firstAlive);
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
