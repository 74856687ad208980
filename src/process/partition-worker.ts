/**
 * One assigned partition, from buffer to COMMIT, one batch after the other.
 *
 * States: `running`; `retrying` after a failure that passes by itself (the same batch again, for
 * ever, with backoff); `waiting` for older partitions after the topic has grown; `stopped` because
 * going on would skip or repeat something: only an operator can resolve it.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import { decodeRecords } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import type { Logger } from '../runtime/logger.ts';
import { clearWaitsFor, type Position, readPositions } from '../store/positions.ts';
import { closesSession, isConnectionBroken } from '../store/sqlstate.ts';
import { parkUnrun } from './isolate.ts';
import { PartitionBuffer } from './partition-buffer.ts';
import { processBatch } from './process-batch.ts';
import type { BatchContext, BatchOutcome } from './settle-piece.ts';
import type { Suspicion } from './suspicion.ts';
import { BATCH_BYTES_MAX, type Turn, type Turns } from './turns.ts';

export type WorkerState = 'running' | 'retrying' | 'waiting' | 'stopped';

export type WorkerOptions = {
  readonly context: BatchContext;
  readonly turns: Turns;
  readonly batchMax: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly suspicion: Suspicion;
};

const BACKOFF = { firstMs: 50, mostMs: 5000 };
/** While the database is away: its return must be noticed soon, and asking costs little. */
const OUTAGE_BACKOFF = { firstMs: 50, mostMs: 1000 };
const WAIT_CHECK_MS = 500;
const GROWTH_WAIT = 'Waits until the older partitions pass the ends they had when this was added';
/** Records of other clients may be a megabyte each: counting them alone would bound nothing. */
const BUFFER_BYTES_MAX = 16 << 20;
/** After so many moves of the position by others, without one of ours, it is called a rival. */
const RIVAL_MOVES = 3;
/** Where events had to be parked or to wait, more of them may: a shared transaction would fail. */
const TURNS_APART = 16;

export class PartitionWorker {
  readonly partition: number;
  readonly buffer: PartitionBuffer;
  readonly #options: WorkerOptions;
  readonly #suspicion: Suspicion;
  #state: WorkerState = 'running';
  #reason: string | null = null;
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
    this.buffer = new PartitionBuffer(position.nextOffset, {
      recordsMax: options.batchMax,
      bytesMax: BUFFER_BYTES_MAX,
    });
  }

  get nextOffset(): number {
    return this.#position.nextOffset;
  }

  /** Whether this is the position, in this log, that it works from. */
  isAt({ logId, nextOffset }: Position): boolean {
    return logId === this.#position.logId && nextOffset === this.#position.nextOffset;
  }

  /** For health: what it does, and why it does not run. */
  get status() {
    return { state: this.#state, reason: this.#reason };
  }

  /** Stops the partition loudly instead of skipping; the others go on. */
  halt(error: OrderonceError): void {
    if (this.isStopped) return;
    this.#state = 'stopped';
    this.#reason = `${error.code}: ${error.message}`;
    const fields = { partition: this.partition, code: error.code, reason: error.message };
    this.#options.logger.error(fields, 'Partition stopped');
  }

  /** From `stopped` nothing leads back: what was under way at the halt may still end, either way. */
  #enter(state: WorkerState, reason: string | null): void {
    if (this.isStopped) return;
    this.#state = state;
    this.#reason = reason;
  }

  get isStopped(): boolean {
    return this.#state === 'stopped';
  }

  get wantsRecords(): boolean {
    return this.#state !== 'stopped' && this.#state !== 'waiting' && !this.buffer.isFull;
  }

  /** Works until the signal aborts or the partition is halted. Never throws. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    signal.addEventListener('abort', () => this.buffer.wake(), { once: true });
    await this.#waitForOlderPartitions();
    while (!signal.aborted && !this.isStopped) {
      await this.buffer.arrival();
      if (!signal.aborted && !this.isStopped) await this.turn();
    }
  }

  /** One turn of the loop: one batch, or one failure and its wait. */
  async turn(): Promise<void> {
    let slice: LogSlice | null = null;
    let isDone = false;
    try {
      const outcome = await this.#options.turns.carryOut({
        context: this.#options.context,
        share: this.#share,
        size: () => this.buffer.size,
        take: () => {
          slice = this.#options.signal.aborted ? null : this.#takeBatch();
          return slice;
        },
        putBack: (taken) => {
          slice = null;
          this.buffer.putBack(taken);
        },
        process: (taken) => this.#process(taken),
      });
      if (slice === null || outcome === null) return;
      isDone = true;
      this.#committed(slice, outcome);
      await this.#suspicion.passed(slice, outcome);
      if (outcome.held !== undefined) {
        await this.#failed(new OrderonceError('HANDLER_FAILS', outcome.held.reason));
      }
    } catch (error) {
      if (slice !== null && !isDone) {
        this.buffer.putBack(slice);
        await this.#suspicion.survived(slice).catch(() => {});
      }
      await this.#failed(error);
    }
  }

  get #share(): Turn['share'] {
    if (this.#suspicion.runsAlone(this.#position.nextOffset)) return 'alone';
    const isInTrouble = this.#failures > 0 || this.#suspicion.failed !== null;
    return isInTrouble || this.#turnsApart > 0 ? 'apart' : 'together';
  }

  #takeBatch(): LogSlice | null {
    const recordsMax = this.#suspicion.recordsMax(this.#position.nextOffset, this.#batchMax);
    return this.buffer.take({ recordsMax, bytesMax: BATCH_BYTES_MAX });
  }

  async #process(slice: LogSlice): Promise<BatchOutcome> {
    const { context } = this.#options;
    if (await this.#suspicion.mustPark(slice)) {
      return await parkUnrun(context, { slice, ...decodeRecords(slice.records) });
    }
    return await processBatch(context, slice, this.#suspicion.failed);
  }

  #committed(slice: LogSlice, outcome: BatchOutcome): void {
    if (outcome.next < slice.next) this.buffer.putBack(splitSlice(slice, outcome.next).tail);
    if (this.#state === 'retrying') {
      this.#options.logger.info({ partition: this.partition }, 'Partition goes on');
    }
    this.#position = { ...this.#position, nextOffset: outcome.next };
    this.#enter('running', null);
    this.#failures = 0;
    this.#movesByOthers = 0;
    const hasParked = outcome.deadLetters.some(({ event }) => event !== undefined);
    this.#turnsApart = hasParked ? TURNS_APART : Math.max(0, this.#turnsApart - 1);
    this.#batchMax = Math.min(this.#options.batchMax, this.#batchMax * 2);
  }

  async #failed(error: unknown): Promise<void> {
    const isMoved = error instanceof OrderonceError && error.code === 'POSITION_MOVED';
    if (isMoved) {
      this.#movesByOthers++;
      await this.#followPosition();
    }
    if (this.isStopped) return;
    // Whatever it is, it may lie in the size of the batch: time-outs, memory, limits of a string.
    // Only what is refused must not end up alone by this: alone it would count as guilty.
    const isAllRefused = error instanceof OrderonceError && error.code === 'ALL_REFUSED';
    if (!isAllRefused && !isConnectionBroken(error)) {
      this.#batchMax = Math.max(1, this.#batchMax >> 1);
    }
    this.#failures++;
    this.#enter('retrying', this.#describe(error));
    // The first time at once and loudly, then now and then: an outage must not fill the disk.
    if (this.#failures === 1 || this.#failures % 20 === 0) {
      const fields = { partition: this.partition, attempt: this.#failures, reason: this.#reason };
      this.#options.logger.warn(fields, 'Batch rolled back, trying again');
    }
    const backoff = closesSession(error) ? OUTAGE_BACKOFF : BACKOFF;
    await pause(backoffMs(this.#failures, backoff), this.#options.signal);
    // The position is known again. Nothing else might ever show that all is well: where the reply
    // to our own COMMIT was lost, there may be no record left to process.
    if (isMoved && this.#movesByOthers < RIVAL_MOVES) this.#enter('running', null);
  }

  #describe(error: unknown): string {
    const code = error instanceof OrderonceError ? error.code : 'DATABASE_UNAVAILABLE';
    const rival =
      this.#movesByOthers >= RIVAL_MOVES
        ? ' A rival moves this position: is a second deployment consuming into this database?'
        : '';
    return `${code}: ${reasonOf(error)}.${rival}`;
  }

  /** Drops what is buffered and goes on from where PostgreSQL says. */
  async #followPosition(): Promise<void> {
    const { context, signal } = this.#options;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const all = await readPositions(context.pool, context.topic);
        const position = all.find(({ partition }) => partition === this.partition);
        if (position === undefined || position.logId !== context.logId) {
          const message = `Partition ${this.partition}: its position is gone or of another log`;
          this.halt(new OrderonceError('LOG_RECREATED', message));
          return;
        }
        this.#position = position;
        this.buffer.reset(position.nextOffset);
        return;
      } catch (error) {
        this.#enter('retrying', this.#describe(error));
        await pause(backoffMs(attempt, OUTAGE_BACKOFF), signal);
      }
    }
  }

  /** After growth an order's older events may lie in the older partitions: they go first. */
  async #waitForOlderPartitions(): Promise<void> {
    const { context, signal, logger } = this.#options;
    const { waitsFor } = this.#position;
    if (waitsFor === null || this.isStopped) return;
    this.#enter('waiting', GROWTH_WAIT);
    logger.info({ partition: this.partition, waits_for: waitsFor }, GROWTH_WAIT);
    while (!signal.aborted && !this.isStopped) {
      try {
        const all = await readPositions(context.pool, context.topic);
        if (all.every((p) => p.nextOffset >= (waitsFor[p.partition] ?? 0))) {
          await clearWaitsFor(context.pool, context.topic, this.partition);
          this.#enter('running', null);
          return;
        }
      } catch (error) {
        this.#enter('waiting', this.#describe(error));
      }
      await pause(WAIT_CHECK_MS, signal);
    }
  }
}
