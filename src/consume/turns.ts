/**
 * Carries out the turns of all partitions of a process on a few connections. Turns that wait at the
 * same time go in one transaction: with little to do, its cost hardly depends on what is in it, and
 * a transaction for each partition would be most of the latency.
 *
 * Where such a transaction fails, for whatever reason, each of its turns waits again for one of its
 * own, so that the trouble of one partition stays its own.
 */

import { processTogether } from '../inbox/process-batch.ts';
import type { BatchContext, BatchOutcome, Settled } from '../inbox/settle-records.ts';
import type { LogSlice } from '../log/event-log.ts';
import { pause } from '../runtime/backoff.ts';
import type { PartitionBuffer } from './partition-buffer.ts';

/** One batch of one partition, to be carried out when its turn comes. */
export type Turn = {
  readonly context: BatchContext;
  /**
   * `together`: may share a transaction. `apart`: takes one of its own, after trouble. `alone`:
   * nothing else may run in the process meanwhile.
   */
  readonly share: 'together' | 'apart' | 'alone';
  /** Its batch is taken when the turn begins: while it waits, the batch may grow. */
  readonly buffer: Pick<PartitionBuffer, 'size' | 'take' | 'putBack'>;
  /** Records of its batch, at most. */
  readonly recordsMax: number;
  /** Aborted: nothing is taken any more. */
  readonly signal: AbortSignal;
  /** Processes the batch in a transaction of its own. */
  readonly process: (slice: LogSlice) => Promise<BatchOutcome>;
};

/** What was taken for a turn, and what became of it. After a failure nothing of it took effect. */
export type CarriedOut =
  | { readonly slice: LogSlice; readonly outcome: BatchOutcome }
  | { readonly slice: LogSlice; readonly failure: unknown };

export type TurnsOptions = {
  readonly connections: number;
  /** A shared transaction holds at most so many records. */
  readonly batchMax: number;
  /** Called after each COMMIT: where positions stand now, by partition, and what was done. */
  readonly onCommitted: (positions: ReadonlyMap<number, number>, settled: Settled) => void;
};

type Waiting = {
  readonly turn: Turn;
  readonly share: Turn['share'];
  readonly resolve: (result: CarriedOut | null) => void;
};
type Taken = Waiting & { readonly slice: LogSlice };

/** Of one transaction: records of other clients may be a megabyte each. */
const TRANSACTION_BYTES_MAX = 4 << 20;
/**
 * Fewer records do not go beside a shared transaction that is under way, but with the next one: on
 * a second connection they would slow down both. Unless it takes long.
 */
const RECORDS_FOR_ANOTHER = 500;
const PATIENCE_MS = 20;

export class Turns {
  readonly #options: TurnsOptions;
  #free: number;
  #waiting: Waiting[] = [];
  #isStarting = false;
  #patience: NodeJS.Timeout | undefined;
  /** Shared transactions under way, and when the last of them began. */
  #shared = 0;
  #sharedSince = 0;
  #sharedEnded = Promise.withResolvers<void>();
  /** Records of a shared transaction: fewer after one that failed, it may have been too large. */
  #sharedMax: number;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#free = options.connections;
    this.#sharedMax = options.batchMax;
  }

  /**
   * Never rejects. What failed is not put back into the buffer: the caller does so, if it wants.
   * @returns null when there was nothing to take.
   */
  async carryOut(turn: Turn): Promise<CarriedOut | null> {
    const { promise, resolve } = Promise.withResolvers<CarriedOut | null>();
    this.#waiting.push({ turn, share: turn.share, resolve });
    this.#startSoon();
    return await promise;
  }

  /**
   * To be awaited between fetches. Few records can only wait for the shared transaction under way:
   * what comes until it ends may as well come in one answer, which costs the log and us less.
   * @param records that the last answer brought.
   */
  async whenMoreIsOfUse(records: number): Promise<void> {
    if (this.#shared === 0 || records >= RECORDS_FOR_ANOTHER || this.#patienceLeftMs <= 0) return;
    await Promise.race([this.#sharedEnded.promise, pause(Math.ceil(this.#patienceLeftMs))]);
  }

  get #patienceLeftMs(): number {
    return this.#sharedSince + PATIENCE_MS - performance.now();
  }

  /** Not at once: an answer of the log wakes several partitions, one after the other. */
  #startSoon(): void {
    if (this.#isStarting) return;
    this.#isStarting = true;
    setImmediate(() => {
      this.#isStarting = false;
      this.#start();
    });
  }

  /** From the head only, so that nobody jumps the queue, and `alone` gets its turn. */
  #start(): void {
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      const { share } = head;
      const connections = share === 'alone' ? this.#options.connections : 1;
      if (connections > this.#free) return;
      if (share === 'together' && this.#shouldWait()) return;
      void this.#run(this.#takeGroup(), share, connections);
    }
  }

  /** Whether the head should wait for the shared transaction under way; looks again in time. */
  #shouldWait(): boolean {
    if (this.#shared === 0) return false;
    const records = this.#waiting.reduce((sum, { turn }) => sum + turn.buffer.size.records, 0);
    const left = this.#patienceLeftMs;
    if (records >= RECORDS_FOR_ANOTHER || left <= 0) return false;
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#start(), Math.ceil(left)).unref();
    return true;
  }

  /** The head, and those that may share its transaction while there is room in it. */
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
    const { context } = (group[0] as Taken).turn;
    // In this order positions are locked.
    const slices = group.map(({ slice }) => slice).sort((a, b) => a.partition - b.partition);
    let settled: Settled;
    try {
      settled = await processTogether(context, slices);
    } catch {
      // Whatever it was: the turn that is to blame meets it again, apart.
      this.#separate(group);
      return;
    }
    this.#growShared();
    for (const { slice, resolve } of group) {
      resolve({ slice, outcome: { ...settled, next: slice.next } });
    }
    this.#options.onCommitted(new Map(slices.map((s) => [s.partition, s.next])), settled);
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
      outcome = await turn.process(slice);
    } catch (failure) {
      resolve({ slice, failure });
      return;
    }
    // Else a limit too small for any two turns would stay for ever.
    if (share === 'together') this.#growShared();
    resolve({ slice, outcome });
    this.#options.onCommitted(new Map([[slice.partition, outcome.next]]), outcome);
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
