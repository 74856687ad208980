/**
 * Group commit in front of one lane of the log: what arrives while an append is under way leaves
 * together in the next one.
 *
 * An item is one record, or several that belong together and are never split. It is `queued`, then
 * `in flight`, then acknowledged, refused or unknown. Queued at its deadline, it is withdrawn: never
 * appended. In flight at its deadline, it may be appended later: unknown. No second append starts
 * until the one in flight resolves: a repeat of the first would put its records behind later ones.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { AppendOutcome, AppendRecord, LogAppender } from '../log/event-log.ts';

export type LaneLimits = {
  /** From arrival to an answer, in ms. */
  readonly deadlineMs: number;
  /** Records of one append at most, but for an item that has more by itself. */
  readonly batchItemsMax: number;
  /** One append to one partition is one batch for the broker, whose limit is about 1 MiB. */
  readonly batchBytesMax: number;
};

export type Item = {
  readonly records: readonly AppendRecord[];
  readonly deadline: number;
  /** Over all lanes, the order of arrival. */
  readonly number: number;
  /** An outcome for each record. Settling twice does nothing: nobody hears the second. */
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
  /** None is known to be appended. */
  readonly reject: (error: OrderonceError) => void;
};

/** An append that takes this long holds its lane up, in ms. */
const HELD_UP_MS = 500;
/** How often deadlines are looked at, in ms: answers go out this much early. */
export const SWEEP_MS = 50;

export class AppendLane {
  readonly #log: LogAppender;
  readonly #lane: number;
  readonly #limits: LaneLimits;
  readonly #now: () => number;
  readonly #onSettled: () => void;
  /** In order of arrival, so in order of deadline too. */
  #queued: Item[] = [];
  #inFlight: Item[] = [];
  #inFlightSince: number | null = null;
  #size = 0;
  #lastError: OrderonceError | null = null;

  /** @param onSettled called whenever it may have become idle. */
  constructor(
    log: LogAppender,
    lane: number,
    limits: LaneLimits & { readonly now: () => number },
    onSettled: () => void,
  ) {
    this.#log = log;
    this.#lane = lane;
    this.#limits = limits;
    this.#now = limits.now;
    this.#onSettled = onSettled;
  }

  get isIdle(): boolean {
    return this.#inFlightSince === null && this.#queued.length === 0;
  }

  /** Whether the append under way is older than the delivery deadline. */
  get isStalled(): boolean {
    return this.#hasWaited(this.#limits.deadlineMs - SWEEP_MS);
  }

  /** Whether the append under way takes much longer than an append does. */
  get isHeldUp(): boolean {
    return this.#hasWaited(HELD_UP_MS);
  }

  #hasWaited(ms: number): boolean {
    const since = this.#inFlightSince;
    return since !== null && this.#now() - since > ms;
  }

  /** Why the last append failed, or does not end; null when all is well. */
  get trouble(): string | null {
    if (this.isStalled) return this.#overdue('The log does not acknowledge an append under way');
    return this.#lastError?.message ?? null;
  }

  /** What the last append failed with; null after one that succeeded. */
  get failure(): OrderonceError | null {
    return this.#lastError;
  }

  /** It is over: unless another append has failed since. */
  forgive(failure: OrderonceError): void {
    if (this.#lastError === failure) this.#lastError = null;
  }

  /** Records waiting or in flight. */
  get size(): number {
    return this.#size;
  }

  /** @returns false, and rejects the item, where it is known beforehand that it would expire too. */
  add(item: Item): boolean {
    if (this.isStalled) {
      item.reject(unacknowledged(this.#overdue('The log does not acknowledge')));
      return false;
    }
    this.#queued.push(item);
    this.#size += item.records.length;
    // Not at once: requests that arrive in the same turn of the event loop leave together.
    if (this.#inFlightSince === null) {
      this.#inFlightSince = this.#now();
      setImmediate(() => void this.#flush());
    }
    return true;
  }

  /** Takes back what is not under way: keys have other lanes now. */
  takeQueued(): Item[] {
    const queued = this.#queued.splice(0);
    this.#size -= countOf(queued);
    return queued;
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
        this.#settle(await this.#log.append(records));
        this.#lastError = null;
      } catch (error) {
        this.#lastError =
          error instanceof OrderonceError ? error : unacknowledged(reasonOf(error), error);
        const unknown = unacknowledged(this.#lastError.message, error);
        for (const item of this.#inFlight) item.reject(unknown);
      }
      this.#size -= countOf(this.#inFlight);
      this.#inFlight = [];
      this.#onSettled();
    }
    this.#inFlightSince = null;
    this.#onSettled();
  }

  #settle(outcomes: readonly AppendOutcome[]): void {
    let from = 0;
    for (const { records, resolve } of this.#inFlight) {
      resolve(outcomes.slice(from, from + records.length));
      from += records.length;
    }
  }

  #takeBatch(): Item[] {
    const { batchItemsMax, batchBytesMax } = this.#limits;
    let [items, count, bytes] = [0, 0, 0];
    for (const { records } of this.#queued) {
      count += records.length;
      for (const { key, value } of records) bytes += key.length + (value?.length ?? 0);
      if (items > 0 && (count > batchItemsMax || bytes > batchBytesMax)) break;
      items++;
    }
    return this.#queued.splice(0, items);
  }

  /** Answers what is past its deadline. */
  expire(): void {
    const now = this.#now();
    const firstAlive = this.#queued.findIndex((item) => item.deadline > now);
    const late = this.#queued.splice(0, firstAlive === -1 ? this.#queued.length : firstAlive);
    this.#size -= countOf(late);
    for (const item of late) item.reject(unacknowledged('Withdrawn before it was sent'));
    for (const item of this.#inFlight) {
      if (item.deadline > now) break;
      item.reject(unacknowledged(this.#overdue('Not acknowledged in time')));
    }
  }

  #overdue(what: string): string {
    const why = this.#log.laneTrouble(this.#lane);
    return why === null ? what : `${what}: ${why}`;
  }
}

function countOf(items: readonly Item[]): number {
  return items.reduce((sum, { records }) => sum + records.length, 0);
}

function unacknowledged(message: string, cause?: unknown): OrderonceError {
  return new OrderonceError('LOG_NOT_ACKNOWLEDGED', message, { cause });
}
