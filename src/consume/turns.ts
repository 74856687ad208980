/**
 * Carries out the turns of all partitions of a process on a few connections. Turns that wait at the
 * same time share one transaction. A small transaction costs hardly less than a somewhat larger
 * one, so a transaction for each partition would be most of the latency.
 *
 * If a shared transaction fails, for whatever reason, each of its turns gets a transaction of its
 * own. So a partition whose batch fails does not hold up the others.
 */

import type { BatchContext, BatchOutcome, Settled } from '../inbox/batch.ts';
import { processTogether } from '../inbox/process-batch.ts';
import type { LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { pause } from '../runtime/backoff.ts';
import { inProcess } from '../tracing/tracing.ts';
import type { PartitionBuffer } from './partition-buffer.ts';

/** One batch of one partition that is to be processed. */
export type Turn = {
  readonly context: BatchContext;
  /**
   * `together`: it may share a transaction. `apart`: it has a transaction of its own, after a
   * failure. `alone`: in addition, nothing else may run in the process at the same time.
   */
  readonly share: 'together' | 'apart' | 'alone';
  /** The batch is taken from here when the turn begins, so it can grow while the turn waits. */
  readonly buffer: Pick<PartitionBuffer, 'size' | 'take' | 'putBack'>;
  /** The largest number of records in its batch. */
  readonly recordsMax: number;
  /** Once it is aborted, the turn takes no records. */
  readonly signal: AbortSignal;
  /** Processes the batch in a transaction of its own. */
  readonly process: (slice: LogSlice) => Promise<BatchOutcome>;
  /**
   * Called after each COMMIT that moved positions, with those and with what was settled. Turns of one
   * log must have the same function: it is called once for those that shared a transaction.
   */
  readonly onCommitted: (moved: readonly Moved[], settled: Settled) => void;
};

/** What a turn took from its buffer, and the result. After a failure nothing has taken effect. */
export type CarriedOut =
  | { readonly slice: LogSlice; readonly outcome: BatchOutcome }
  | { readonly slice: LogSlice; readonly failure: unknown };

export type TurnsOptions = {
  /** How many transactions may run at the same time. */
  readonly connections: number;
  /** The largest number of records in a shared transaction. */
  readonly batchMax: number;
  /** Called when turns begin, with how long the first of them has waited, in ms. */
  readonly onBegun?: ((waitedMs: number) => void) | undefined;
};

/** What a transaction has settled of a partition: its position is now at `next`. */
export type Moved = Pick<LogSlice, 'partition' | 'next' | 'gaps'>;

type Waiting = {
  readonly turn: Turn;
  readonly since: number;
  readonly share: Turn['share'];
  readonly resolve: (result: CarriedOut | null) => void;
};
type Taken = Waiting & { readonly slice: LogSlice };

/** Limit of one transaction. Records of foreign clients may have a megabyte each. */
const TRANSACTION_BYTES_MAX = 4 << 20;
/**
 * If fewer records wait while a shared transaction is under way, they wait for the next one. On a
 * second connection they would slow down both.
 */
const RECORDS_FOR_ANOTHER = 500;
/** They wait no longer than this after the shared transaction began. */
const PATIENCE_MS = 20;

/**
 * See the head of this file. One instance serves all partitions of a process. Those of different
 * topics share the connections, but no transaction.
 */
export class Turns {
  readonly #options: TurnsOptions;
  #free: number;
  #waiting: Waiting[] = [];
  #isStarting = false;
  #patience: NodeJS.Timeout | undefined;
  /** How many shared transactions are under way, and when the last of them began. */
  #shared = 0;
  #sharedSince = 0;
  #sharedEnded = Promise.withResolvers<void>();
  /**
   * Limit of records in a shared transaction. It shrinks after a failure, which may be due to size.
   */
  #sharedMax: number;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#free = options.connections;
    this.#sharedMax = options.batchMax;
  }

  /**
   * Carries out a turn. Never rejects. A slice that failed is not put back into the buffer; that is
   * the caller's decision.
   * @returns null if there was nothing to take.
   */
  async carryOut(turn: Turn): Promise<CarriedOut | null> {
    const { promise, resolve } = Promise.withResolvers<CarriedOut | null>();
    this.#waiting.push({ turn, since: performance.now(), share: turn.share, resolve });
    this.#startSoon();
    return await promise;
  }

  /**
   * Await it between fetches. If the last answer brought only a few records, they have to wait for
   * the shared transaction under way. Fetching again before it ends would only give more and
   * smaller answers, which cost the log and this process more.
   * @param records how many the last answer brought.
   */
  async whenMoreIsOfUse(records: number): Promise<void> {
    if (this.#shared === 0 || records >= RECORDS_FOR_ANOTHER || this.#patienceLeftMs <= 0) return;
    await Promise.race([this.#sharedEnded.promise, pause(Math.ceil(this.#patienceLeftMs))]);
  }

  get #patienceLeftMs(): number {
    return this.#sharedSince + PATIENCE_MS - performance.now();
  }

  /**
   * Starts turns a moment later. An answer of the log wakes several partitions one after the other,
   * and they should share a transaction.
   */
  #startSoon(): void {
    if (this.#isStarting) return;
    this.#isStarting = true;
    setImmediate(() => {
      this.#isStarting = false;
      this.#start();
    });
  }

  /**
   * Starts turns from the head of the queue only. Otherwise an `alone` turn might wait endlessly.
   */
  #start(): void {
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      const { share } = head;
      const connections = share === 'alone' ? this.#options.connections : 1;
      if (connections > this.#free) return;
      if (share === 'together' && this.#shouldWait()) return;
      void this.#run(this.#takeGroup(), share, connections);
    }
  }

  /**
   * Whether the head of the queue should wait for the shared transaction under way. If so, a timer
   * starts it when PATIENCE_MS have passed.
   */
  #shouldWait(): boolean {
    if (this.#shared === 0) return false;
    const records = this.#waiting.reduce((sum, { turn }) => sum + turn.buffer.size.records, 0);
    const left = this.#patienceLeftMs;
    if (records >= RECORDS_FOR_ANOTHER || left <= 0) return false;
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#start(), Math.ceil(left)).unref();
    return true;
  }

  /** Takes the head of the queue, and the turns that may share its transaction and fit into it. */
  #takeGroup(): Taken[] {
    const [head, ...others] = this.#waiting as [Waiting, ...Waiting[]];
    const group = [head];
    const size = { ...head.turn.buffer.size };
    this.#waiting = [];
    for (const other of others) {
      const records = size.records + other.turn.buffer.size.records;
      const bytes = size.bytes + other.turn.buffer.size.bytes;
      const fits = records <= this.#sharedMax && bytes <= TRANSACTION_BYTES_MAX;
      if (fits && canShare(head, other)) {
        group.push(other);
        Object.assign(size, { records, bytes });
      } else this.#waiting.push(other);
    }
    return group.flatMap(take);
  }

  async #run(group: readonly Taken[], share: Turn['share'], connections: number): Promise<void> {
    this.#free -= connections;
    const [head] = group;
    if (head !== undefined) this.#options.onBegun?.(performance.now() - head.since);
    if (share === 'together') {
      this.#shared++;
      this.#sharedSince = performance.now();
    }
    try {
      const [first, second] = group;
      if (second !== undefined) await this.#together(group);
      else if (first !== undefined) await this.#byItself(first);
    } finally {
      if (share === 'together') {
        this.#shared--;
        this.#sharedEnded.resolve();
        this.#sharedEnded = Promise.withResolvers();
      }
      this.#free += connections;
      this.#start();
    }
  }

  async #together(group: readonly Taken[]): Promise<void> {
    const { context, onCommitted } = (group[0] as Taken).turn;
    // Positions are locked in this order, so two shared transactions cannot deadlock.
    const slices = group.map(({ slice }) => slice).sort((a, b) => a.partition - b.partition);
    let settled: Settled;
    try {
      settled = await inProcess(context.topic, slices, () => processTogether(context, slices));
    } catch {
      // The failure need not be kept: the turn that causes it fails again in its own transaction.
      this.#separate(group);
      return;
    }
    this.#growShared();
    for (const { slice, resolve } of group) {
      resolve({ slice, outcome: { ...settled, next: slice.next } });
    }
    onCommitted(slices, settled);
  }

  #growShared(): void {
    this.#sharedMax = Math.min(this.#options.batchMax, this.#sharedMax * 2);
  }

  #separate(group: readonly Taken[]): void {
    const records = group.reduce((sum, { slice }) => sum + slice.records.length, 0);
    this.#sharedMax = Math.max(1, records >> 1);
    for (const { turn, slice } of group) turn.buffer.putBack(slice);
    this.#waiting.unshift(...group.map((waiting) => ({ ...waiting, share: 'apart' as const })));
  }

  async #byItself({ turn, share, slice, resolve }: Taken): Promise<void> {
    let outcome: BatchOutcome;
    try {
      const { topic } = turn.context;
      outcome = await inProcess(topic, [slice], () => turn.process(slice));
    } catch (failure) {
      resolve({ slice, failure });
      return;
    }
    // Otherwise a limit that is too small for any two turns would never grow again.
    if (share === 'together') this.#growShared();
    resolve({ slice, outcome });
    // An event that is held leaves the position where it was: nothing has been committed.
    if (outcome.next === slice.from) return;
    const { next } = outcome;
    const moved = next === slice.next ? slice : splitSlice(slice, next).head;
    turn.onCommitted([moved], outcome);
  }
}

function canShare(a: Waiting, b: Waiting): boolean {
  const [one, other] = [a.turn.context.logId, b.turn.context.logId];
  return a.share === 'together' && b.share === 'together' && one === other;
}

function take(waiting: Waiting): Taken[] {
  const { buffer, recordsMax, signal } = waiting.turn;
  const bytesMax = TRANSACTION_BYTES_MAX;
  const slice = signal.aborted ? null : buffer.take({ recordsMax, bytesMax });
  if (slice !== null) return [{ ...waiting, slice }];
  waiting.resolve(null);
  return [];
}
