/** Processes one assigned partition, from buffer to COMMIT, one batch after the other. */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { BatchContext, BatchOutcome, HeldEvent } from '../inbox/batch.ts';
import { mayBlameBatch } from '../inbox/blame.ts';
import { firstOf } from '../inbox/first-event.ts';
import { parkUnrun } from '../inbox/isolate.ts';
import { processBatch, processSuspect } from '../inbox/process-batch.ts';
import { deadlyRecord, decodeSlice } from '../log/decode-hook.ts';
import type { LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import type { Logger } from '../runtime/logger.ts';
import { clearWaitsFor, type Position, readPositions } from '../store/positions.ts';
import { PartitionBuffer } from './partition-buffer.ts';
import { type PartitionRecord, PartitionState, type StateOptions } from './partition-state.ts';
import type { Suspicion } from './suspicion.ts';
import type { Turn, Turns } from './turns.ts';

export type WorkerOptions = {
  readonly context: BatchContext;
  readonly turns: Turns;
  readonly batchMax: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly suspicion: Suspicion;
  /** Called after each COMMIT; see Turn. */
  readonly onCommitted: Turn['onCommitted'];
  readonly onRetry?: StateOptions['onRetry'];
  readonly hidesMessages?: StateOptions['hidesMessages'];
};

/** While PostgreSQL is away: an attempt costs little, and its return must be noticed soon. */
const BACKOFF = { firstMs: 50, mostMs: 1000 };
/** While events fail. Each attempt runs handlers, several times. */
const EVENT_BACKOFF = { firstMs: 50, mostMs: 30_000 };
/** After an OutageError of a handler. Its dependency gets more time before the event is parked. */
const OUTAGE_BACKOFF = { firstMs: 1000, mostMs: 30_000 };
const WAIT_CHECK_MS = 500;
const GROWTH_WAIT =
  'Waits until the older partitions pass the ends they had when this partition was added';
/**
 * Records of foreign clients may have a megabyte each, so a limit on their number is not enough.
 */
const BUFFER_BYTES_MAX = 16 << 20;
/**
 * After this many moves of the position by others, without a commit of ours, a rival is reported.
 */
const RIVAL_MOVES = 3;
/** How many records a turn takes if only the first is processed. The others may be witnesses. */
const WITNESSES_FROM = 100;
/**
 * How many turns have a transaction of their own after an event was parked or had to wait. More
 * such events may follow, and each would make a shared transaction fail.
 */
const TURNS_APART = 16;

/** See the head of this file. `run` does not throw: failures are retried, or stop the partition. */
export class PartitionWorker {
  readonly partition: number;
  readonly buffer: PartitionBuffer;
  readonly #options: WorkerOptions;
  readonly #suspicion: Suspicion;
  readonly #state: PartitionState;
  #position: Position;
  #batchMax: number;
  #failures = 0;
  #movesByOthers = 0;
  #turnsApart = 0;

  constructor(position: Position, options: WorkerOptions) {
    this.partition = position.partition;
    this.#position = position;
    this.#options = options;
    this.#suspicion = options.suspicion;
    this.#batchMax = options.batchMax;
    const { pool, topic, owner } = options.context;
    const { logger, signal, onRetry, hidesMessages } = options;
    const ofPartition = { pool, topic, owner, partition: position.partition };
    this.#state = new PartitionState({ ...ofPartition, logger, signal, onRetry, hidesMessages });
    this.buffer = new PartitionBuffer(position.nextOffset, {
      recordsMax: options.batchMax,
      bytesMax: BUFFER_BYTES_MAX,
    });
  }

  get nextOffset(): number {
    return this.#position.nextOffset;
  }

  /** Whether the partition is at exactly this position of this log. */
  isAt({ logId, nextOffset }: Position): boolean {
    return logId === this.#position.logId && nextOffset === this.#position.nextOffset;
  }

  /** When the first record at the position was appended, in ms; null if none is known to wait. */
  get oldestMs(): number | null {
    return this.buffer.firstFrom(this.nextOffset)?.appendedMs ?? null;
  }

  /** What the partition does now, and why it does not run. */
  get status(): PartitionRecord {
    return this.#state.record;
  }

  /**
   * Stops the partition for good, because continuing would skip or repeat records. Other partitions
   * continue.
   * @param range the offsets concerned, half-open.
   */
  halt(error: OrderonceError, range = this.#here): void {
    this.#state.stop({ code: error.code, message: error.message, ...range });
  }

  get #here(): { from: number; to: number } {
    return { from: this.nextOffset, to: this.nextOffset };
  }

  get isStopped(): boolean {
    return this.#state.isStopped;
  }

  /** Whether the fetch loop should fetch records for it now. */
  get wantsRecords(): boolean {
    const { state } = this.#state.record;
    return state !== 'stopped' && state !== 'waiting' && !this.buffer.isFull;
  }

  /** Processes batches until the signal aborts or the partition is stopped. Never throws. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    signal.addEventListener('abort', () => this.buffer.wake(), { once: true });
    await this.#waitForOlderPartitions();
    while (!signal.aborted && !this.isStopped) {
      await this.buffer.arrival();
      if (!signal.aborted && !this.isStopped) await this.turn();
    }
  }

  /** Processes one batch; or it fails once, and waits before the next attempt. */
  async turn(): Promise<void> {
    const { turns, context, signal, onCommitted } = this.#options;
    const carriedOut = await turns.carryOut({
      context,
      share: this.#share,
      buffer: this.buffer,
      recordsMax: this.#isFirstOnly ? WITNESSES_FROM : this.#batchMax,
      signal,
      onCommitted,
      process: (slice) => this.#process(slice),
    });
    if (carriedOut === null) return;
    const { slice } = carriedOut;
    if ('failure' in carriedOut) {
      this.buffer.putBack(slice);
      await this.#suspicion.survived(slice).catch(() => {});
      await this.#failed(carriedOut.failure, slice);
      return;
    }
    const { outcome } = carriedOut;
    this.#committed(slice, outcome);
    try {
      await this.#suspicion.passed(slice, outcome);
      if (outcome.held !== undefined) await this.#failedAlone(outcome.held);
    } catch (error) {
      await this.#failed(error, slice);
    }
  }

  get #share(): Turn['share'] {
    if (this.#suspicion.runsAlone(this.#position.nextOffset)) return 'alone';
    const isInTrouble = this.#failures > 0 || this.#suspicion.failed !== null;
    return isInTrouble || this.#turnsApart > 0 ? 'apart' : 'together';
  }

  /**
   * Whether only the first event may take effect, and those behind it are only witnesses. Such a
   * turn never shares its transaction, because a shared transaction takes effect as a whole.
   */
  get #isFirstOnly(): boolean {
    const isNarrowed = this.#batchMax === 1 && this.#failures > 0;
    return isNarrowed || this.#suspicion.runsFirstOnly(this.#position.nextOffset);
  }

  async #process(slice: LogSlice): Promise<BatchOutcome> {
    const { context } = this.#options;
    const mustPark = await this.#suspicion.mustPark(slice);
    if (mustPark !== null) {
      const { head } = firstOf(slice);
      const failure = new Error('Processes ended, again and again, while this event was handled');
      const verdict = { failure, reason: 'ends_the_process', attempts: 1 };
      const undecoded = { slice: head, events: [], invalid: head.records.map(deadlyRecord) };
      const batch = mustPark === 'undecoded' ? undecoded : await decodeSlice(head, context);
      return await parkUnrun(context, batch, verdict);
    }
    if (!this.#isFirstOnly) return await processBatch(context, slice);
    const rules = this.#suspicion.witnessRules(slice);
    return await processSuspect(context, slice, this.#suspicion.failed, rules);
  }

  #committed(slice: LogSlice, outcome: BatchOutcome): void {
    if (outcome.next < slice.next) this.buffer.putBack(splitSlice(slice, outcome.next).tail);
    this.#movesByOthers = 0;
    if (outcome.next === slice.from && outcome.held !== undefined) return;
    this.#position = { ...this.#position, nextOffset: outcome.next };
    this.#failures = 0;
    this.#state.moved();
    if (outcome.held === undefined) this.#state.run();
    const hasParked = outcome.deadLetters.some(({ event }) => event !== undefined);
    this.#turnsApart = hasParked ? TURNS_APART : Math.max(0, this.#turnsApart - 1);
    this.#batchMax = Math.min(this.#options.batchMax, this.#batchMax * 2);
  }

  async #failedAlone({ code, reason, isOutage }: HeldEvent): Promise<void> {
    this.#failures++;
    this.#state.retry({ code, message: `${reason}.`, ...this.#here });
    const backoff = isOutage ? OUTAGE_BACKOFF : EVENT_BACKOFF;
    await pause(backoffMs(this.#failures, backoff), this.#options.signal);
  }

  async #failed(error: unknown, slice: LogSlice): Promise<void> {
    const code = error instanceof OrderonceError ? error.code : 'DATABASE_UNAVAILABLE';
    const isMoved = code === 'POSITION_MOVED';
    if (isMoved) {
      this.#movesByOthers++;
      await this.#followPosition();
    }
    if (this.isStopped) return;
    this.#failures++;
    this.#state.retry({ code, message: this.#describe(error), ...this.#here });
    const { signal } = this.#options;
    if (code === 'ALL_REFUSED') this.#suspicion.allRefused(slice);
    else if (mayBlameBatch(error)) {
      // The batch may be too large (time-outs, memory), or one event of it may end the whole
      // transaction. Either way half of it is tried immediately, until one event is left.
      const isNarrowed = slice.records.length > 1 && !this.#isFirstOnly;
      this.#batchMax = Math.max(1, slice.records.length >> 1);
      this.#turnsApart = TURNS_APART;
      if (isNarrowed) return;
    }
    const isEvents = mayBlameBatch(error) || code === 'HANDLERS_REFUSE_TOO_MUCH';
    await pause(backoffMs(this.#failures, isEvents ? EVENT_BACKOFF : BACKOFF), signal);
    // The position is known again, so the partition runs. A later commit cannot be relied on to
    // show that: if the reply to our own COMMIT was lost, there may be no record left to process.
    if (isMoved && this.#movesByOthers < RIVAL_MOVES) this.#state.run();
  }

  #describe(error: unknown): string {
    const rival =
      this.#movesByOthers >= RIVAL_MOVES
        ? ' Another process keeps moving this position. Is a second deployment consuming into this database?'
        : '';
    return `${reasonOf(error)}.${rival}`;
  }

  /** Drops the buffered records and continues at the position that PostgreSQL has. */
  async #followPosition(): Promise<void> {
    const { context, signal } = this.#options;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const all = await readPositions(context.pool, context.topic);
        const position = all.find(({ partition }) => partition === this.partition);
        if (position === undefined || position.logId !== context.logId) {
          const message = `The position of partition ${this.partition} is gone, or belongs to another log`;
          this.halt(new OrderonceError('LOG_RECREATED', message));
          return;
        }
        this.#position = position;
        this.buffer.reset(position.nextOffset);
        return;
      } catch (error) {
        this.#state.retry({
          code: 'DATABASE_UNAVAILABLE',
          message: this.#describe(error),
          ...this.#here,
        });
        await pause(backoffMs(attempt, BACKOFF), signal);
      }
    }
  }

  /**
   * Waits, if this partition was added to an existing topic. Older events of its orders may lie in
   * the older partitions, and must be processed first (G5).
   */
  async #waitForOlderPartitions(): Promise<void> {
    const { context, signal } = this.#options;
    const { waitsFor } = this.#position;
    if (waitsFor === null || this.isStopped) return;
    const code = 'WAITS_FOR_OLDER_PARTITIONS';
    const ends = Object.entries(waitsFor).map(([partition, end]) => `${partition} to ${end}`);
    const message = `${GROWTH_WAIT}: ${ends.join(', ')}`;
    while (!signal.aborted && !this.isStopped) {
      try {
        const all = await readPositions(context.pool, context.topic);
        if (all.every((p) => p.nextOffset >= (waitsFor[p.partition] ?? 0))) {
          await clearWaitsFor(context.pool, context.topic, this.partition);
          this.#state.run();
          return;
        }
        this.#state.wait({ code, message, ...this.#here });
      } catch (error) {
        const why = this.#describe(error);
        this.#state.wait({ code: 'DATABASE_UNAVAILABLE', message: why, ...this.#here });
      }
      await pause(WAIT_CHECK_MS, signal);
    }
  }
}
