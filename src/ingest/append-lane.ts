/**
 * The queue in front of one lane of the log (group commit): what arrives during an append is sent
 * together in the next one.
 *
 * An item is one record, or several that belong together and are never split. It is first queued,
 * then in flight, then acknowledged, refused or unknown. An item that is still queued at its
 * deadline is withdrawn and never appended. An item that is in flight at its deadline is unknown:
 * it may be appended later. The next append starts only after the one in flight has resolved.
 * Otherwise a retry of the first one could put its records behind later ones.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { AppendOutcome, AppendRecord, Header, LogAppender } from '../log/event-log.ts';
import { inAppend } from '../tracing/tracing.ts';

export type LaneLimits = {
  /** The longest time from arrival to the answer, in ms. */
  readonly deadlineMs: number;
  /** The most records of one append. An item with more records is sent alone. */
  readonly batchItemsMax: number;
  /** The most bytes of one append. A broker gets it as one batch, whose limit is about 1 MiB. */
  readonly batchBytesMax: number;
  /** Called after each append, for metrics. */
  readonly onAppended?: (report: AppendReport) => void;
};

/** An append that has ended. */
export type AppendReport = {
  readonly result: 'acknowledged' | 'failed';
  readonly ms: number;
  readonly records: number;
};

/** Records that wait in a lane together, and get their answer together. */
export type Item = {
  readonly records: readonly AppendRecord[];
  readonly deadline: number;
  /** The order of arrival over all lanes. */
  readonly number: number;
  /** To be called with an outcome for each record. Only the first of both calls has an effect. */
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
  /** To be called if no record is known to be appended. */
  readonly reject: (error: OrderonceError) => void;
};

/** A lane is delayed if its append takes longer than this, in ms. */
const HELD_UP_MS = 500;
/**
 * How often deadlines are checked, in ms. Deadlines are this much early, so that none is missed.
 */
export const SWEEP_MS = 50;

export class AppendLane {
  readonly #log: LogAppender;
  readonly #lane: number;
  readonly #limits: LaneLimits;
  readonly #now: () => number;
  readonly #onSettled: () => void;
  /** In order of arrival, and so in order of their deadlines too. */
  #queued: Item[] = [];
  #inFlight: Item[] = [];
  #inFlightSince: number | null = null;
  #size = 0;
  #lastError: OrderonceError | null = null;

  /** @param onSettled is called after each append, and when the lane has become idle. */
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

  /** Whether the append in flight is older than the delivery deadline. */
  get isStalled(): boolean {
    return this.#hasWaited(this.#limits.deadlineMs - SWEEP_MS);
  }

  /** Whether the append in flight takes much longer than usual. */
  get isHeldUp(): boolean {
    return this.#hasWaited(HELD_UP_MS);
  }

  #hasWaited(ms: number): boolean {
    const since = this.#inFlightSince;
    return since !== null && this.#now() - since > ms;
  }

  /** Why the last append failed or does not complete; null if nothing is wrong. */
  get trouble(): string | null {
    if (this.isStalled) return this.#overdue('The log does not acknowledge an append under way');
    return this.#lastError?.message ?? null;
  }

  /** The error of the last append; null after a successful one. */
  get failure(): OrderonceError | null {
    return this.#lastError;
  }

  /** Forgets this failure. If another append has failed since, that failure stays. */
  forgive(failure: OrderonceError): void {
    if (this.#lastError === failure) this.#lastError = null;
  }

  /** The earliest deadline of what is queued or in flight; null if nothing is. */
  get deadline(): number | null {
    return (this.#inFlight[0] ?? this.#queued[0])?.deadline ?? null;
  }

  /** Number of records that are queued or in flight. */
  get size(): number {
    return this.#size;
  }

  /**
   * Queues an item. If the lane is stalled, rejects it immediately, since it would only expire.
   * @returns whether it was queued.
   */
  add(item: Item): boolean {
    if (this.isStalled) {
      item.reject(unacknowledged(this.#overdue('The log does not acknowledge')));
      return false;
    }
    this.#queued.push(item);
    this.#size += item.records.length;
    // Delayed, so that requests which arrive in the same turn of the event loop share an append.
    if (this.#inFlightSince === null) {
      this.#inFlightSince = this.#now();
      setImmediate(() => void this.#flush());
    }
    return true;
  }

  /** Removes and returns the queued items, because their keys belong to other lanes now. */
  takeQueued(): Item[] {
    const queued = this.#queued.splice(0);
    this.#size -= countOf(queued);
    return queued;
  }

  async #flush(): Promise<void> {
    for (;;) {
      // Items whose deadline passed during the last append are withdrawn, not sent.
      this.expire();
      if (this.#queued.length === 0) break;
      this.#inFlight = this.#takeBatch();
      this.#inFlightSince = this.#now();
      try {
        const records = this.#inFlight.flatMap((item) => item.records);
        const append = () => this.#log.append(records);
        this.#settle(await inAppend(this.#log.topic, records, append));
        this.#lastError = null;
        this.#report('acknowledged');
      } catch (error) {
        this.#lastError =
          error instanceof OrderonceError ? error : unacknowledged(reasonOf(error), error);
        const unknown = unacknowledged(this.#lastError.message, error);
        for (const item of this.#inFlight) item.reject(unknown);
        this.#report('failed');
      }
      this.#size -= countOf(this.#inFlight);
      this.#inFlight = [];
      this.#onSettled();
    }
    this.#inFlightSince = null;
    this.#onSettled();
  }

  #report(result: AppendReport['result']): void {
    const ms = this.#now() - (this.#inFlightSince ?? this.#now());
    this.#limits.onAppended?.({ result, ms, records: countOf(this.#inFlight) });
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
      for (const record of records) bytes += bytesOf(record);
      if (items > 0 && (count > batchItemsMax || bytes > batchBytesMax)) break;
      items++;
    }
    return this.#queued.splice(0, items);
  }

  /** Rejects the items that are past their deadline. */
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

/** A trace in the headers may be larger than the event. The request id is part of the overhead. */
function bytesOf({ key, value, headers = [] }: AppendRecord): number {
  let bytes = key.length + (value?.length ?? 0);
  for (let i = 1; i < headers.length; i++) {
    const [name, content] = headers[i] as Header;
    bytes += (name?.length ?? 0) + (content?.length ?? 0);
  }
  return bytes;
}

function countOf(items: readonly Item[]): number {
  return items.reduce((sum, { records }) => sum + records.length, 0);
}

function unacknowledged(message: string, cause?: unknown): OrderonceError {
  return new OrderonceError('LOG_NOT_ACKNOWLEDGED', message, { cause });
}
