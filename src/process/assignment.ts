/**
 * One assignment: the partitions that are this process's from one rebalance to the next. It reads
 * where to go on from PostgreSQL, checks that the log is still the same, feeds a worker per
 * partition from one fetch loop, and ends when the partitions change hands.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { HandlerSet } from '../handlers/run-handlers.ts';
import type { LogReader } from '../log/event-log.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { unlessAborted } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Slots } from '../runtime/slots.ts';
import { logIdOf } from '../store/logs.ts';
import type { Pool } from '../store/pool.ts';
import {
  ensurePositions,
  type Position,
  readPositions,
  releasePositions,
  takePositions,
} from '../store/positions.ts';
import { findSuspects } from '../store/suspects.ts';
import type { TransactionLimits } from '../store/transaction.ts';
import type { ParkGuard } from './park-guard.ts';
import { PartitionWorker, type WorkerOptions } from './partition-worker.ts';
import { checkLastRecord, checkPosition } from './position-check.ts';
import type { BatchContext } from './settle-piece.ts';
import { Suspicion } from './suspicion.ts';

export type AssignmentOptions = {
  readonly reader: LogReader;
  readonly pool: Pool;
  readonly limits: TransactionLimits;
  readonly owner: string;
  readonly handlers: HandlerSet;
  readonly parkGuard: ParkGuard;
  readonly slots: Slots;
  readonly batchMax: number;
  readonly logger: Logger;
  readonly onCommitted: WorkerOptions['onCommitted'];
};

type CheckedPosition = { readonly position: Position; readonly trouble: OrderonceError | null };

const BACKOFF = { firstMs: 100, mostMs: 3000 };
/** Wait of a fetch when nothing is left out: the log's answer comes at once when there is news. */
const LONG_POLL_MS = 500;
/** … and when a partition was left out since its buffer is full: it must not starve meanwhile. */
const SHORT_POLL_MS = 5;
const BYTES_PER_PARTITION = 1 << 20;

export class Assignment {
  readonly partitions: readonly number[];
  readonly #options: AssignmentOptions;
  readonly #ended = new AbortController();
  #workers: PartitionWorker[] = [];
  #running: Promise<void> = Promise.resolve();
  #logTrouble: string | null = 'Positions are being read';
  #hasTaken = false;
  #failed: ReadonlyMap<number, string> = new Map();

  constructor(partitions: readonly number[], options: AssignmentOptions) {
    this.partitions = partitions;
    this.#options = options;
  }

  get workers(): readonly PartitionWorker[] {
    return this.#workers;
  }

  /** Why nothing comes from the log, or null. */
  get logTrouble(): string | null {
    if (this.#ended.signal.aborted) return 'The partitions are changing hands';
    return this.partitions.length === 0 ? null : this.#logTrouble;
  }

  /** Partitions that the log did not give this time, in words. */
  get partitionTroubles(): string[] {
    return [...this.#failed].map(([partition, why]) => `Partition ${partition}: ${why}`);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Takes no new batch; resolves when those under way have ended, either way. Idempotent. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#running;
    if (!this.#hasTaken) return;
    this.#hasTaken = false;
    const { reader, pool, owner } = this.#options;
    // Not handed over, the next owner is a little more careful than it need be.
    await releasePositions(pool, reader.topic, this.partitions, owner).catch(() => {});
  }

  async #run(): Promise<void> {
    if (this.partitions.length === 0) return;
    const topicId = await this.#untilReady();
    if (topicId === null) return;
    const working = this.#workers.map((worker) => worker.run());
    await Promise.all([this.#fetchLoop(topicId), ...working]);
  }

  /** Prepares until it succeeds; null when the assignment ended before. */
  async #untilReady(): Promise<string | null> {
    const { signal } = this.#ended;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        return await this.#prepare();
      } catch (error) {
        this.#noteTrouble(error, attempt);
        await pause(backoffMs(attempt, BACKOFF), signal);
      }
    }
    return null;
  }

  async #prepare(): Promise<string> {
    const { reader, pool, logger } = this.#options;
    const identity = await reader.identity();
    const all = Array.from({ length: identity.partitions }, (_, partition) => partition);
    const logId = await logIdOf(pool, identity);
    await ensurePositions(pool, reader.topic, logId, await reader.bounds(all, true));
    const checked = await this.#checkedPositions(identity.topicId, logId);
    const suspicions = await this.#takeOver(logId);
    const workers = checked.map(({ position, trouble }) => {
      const suspicion = suspicions(position.partition);
      const worker = new PartitionWorker(position, this.#workerOptions(logId, suspicion));
      if (trouble !== null) worker.halt(trouble);
      return worker;
    });
    this.#workers = workers;
    const from = Object.fromEntries(workers.map((w) => [w.partition, w.nextOffset]));
    logger.info({ topic: reader.topic, from }, 'Partitions assigned');
    return identity.topicId;
  }

  /**
   * The positions of our partitions, and what is wrong with them. Positions are read before the
   * log's bounds: another process may still commit, and its position must not seem to lie past an
   * end that was read earlier. What still looks wrong is looked at once more.
   */
  async #checkedPositions(
    topicId: string,
    logId: number,
    isSecondLook = false,
  ): Promise<CheckedPosition[]> {
    const { reader, pool } = this.#options;
    const all = await readPositions(pool, reader.topic);
    const mine = all.filter(({ partition }) => this.partitions.includes(partition));
    const bounds = await reader.bounds(this.partitions, true);
    const checked: CheckedPosition[] = [];
    for (const position of mine) {
      const within = bounds.get(position.partition) ?? { start: 0, end: 0 };
      const trouble =
        checkPosition(position, logId, within) ??
        (await checkLastRecord(reader, topicId, position, within));
      checked.push({ position, trouble });
    }
    if (isSecondLook || checked.every(({ trouble }) => trouble === null)) return checked;
    return await this.#checkedPositions(topicId, logId, true);
  }

  /** What is to be suspected in each partition, as the owner before us left it. */
  async #takeOver(logId: number): Promise<(partition: number) => Suspicion> {
    const { reader, pool, owner, handlers } = this.#options;
    const context = this.#context(logId);
    // Without handlers nothing can loop or end the process.
    if (handlers.handlers.length === 0) return () => new Suspicion(context, null, false);
    const unclean = await takePositions(pool, reader.topic, this.partitions, owner);
    this.#hasTaken = true;
    const suspects = await findSuspects(pool, logId);
    return (partition) =>
      new Suspicion(context, suspects.get(partition) ?? null, unclean.has(partition));
  }

  #context(logId: number): BatchContext {
    const { reader, pool, limits, owner, handlers, parkGuard } = this.#options;
    return { pool, limits, topic: reader.topic, logId, owner, handlers, parkGuard };
  }

  #workerOptions(logId: number, suspicion: Suspicion): WorkerOptions {
    const { slots, batchMax, logger, onCommitted } = this.#options;
    const context = this.#context(logId);
    return { context, suspicion, slots, batchMax, logger, signal: this.#ended.signal, onCommitted };
  }

  async #fetchLoop(topicId: string): Promise<void> {
    const { signal } = this.#ended;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#fetchOnce(topicId);
        this.#logTrouble = null;
        failures = 0;
      } catch (error) {
        if (error instanceof OrderonceError && error.code === 'LOG_RECREATED') {
          for (const worker of this.#workers) worker.halt(error);
        }
        this.#noteTrouble(error, ++failures);
        await pause(backoffMs(failures, BACKOFF), signal);
      }
    }
  }

  async #fetchOnce(topicId: string): Promise<void> {
    const hungry = this.#workers.filter((worker) => worker.wantsRecords);
    if (hungry.length === 0) {
      await pause(SHORT_POLL_MS, this.#ended.signal);
      return;
    }
    const isOneLeftOut = this.#workers.some((w) => !w.isStopped && w.buffer.isFull);
    const fetching = this.#options.reader.fetch(
      topicId,
      hungry.map((w) => ({ partition: w.partition, offset: w.buffer.fetchOffset })),
      {
        waitMs: isOneLeftOut ? SHORT_POLL_MS : LONG_POLL_MS,
        bytesPerPartition: BYTES_PER_PARTITION,
      },
    );
    const answer = await unlessAborted(this.#ended.signal, fetching);
    if (answer === null) return;
    for (const slice of answer.slices) {
      this.#workers.find((w) => w.partition === slice.partition)?.buffer.add(slice);
    }
    this.#failed = answer.failed;
    if (answer.outOfRange.length > 0) await this.#checkRange(answer.outOfRange);
    // Not at once again: what failed would fail as fast as it is asked for.
    if (answer.failed.size > 0) await pause(BACKOFF.firstMs, this.#ended.signal);
  }

  /** The log refused an offset: stop exactly those partitions whose position it does not reach. */
  async #checkRange(partitions: readonly number[]): Promise<void> {
    const bounds = await this.#options.reader.bounds(partitions, true);
    for (const worker of this.#workers) {
      const within = bounds.get(worker.partition);
      if (within === undefined) continue;
      const { fetchOffset } = worker.buffer;
      if (fetchOffset >= within.start && fetchOffset <= within.end) continue;
      const isBefore = fetchOffset < within.start;
      worker.halt(
        new OrderonceError(
          isBefore ? 'POSITION_BEFORE_LOG_START' : 'POSITION_PAST_LOG_END',
          `Partition ${worker.partition}: offset ${fetchOffset} is outside the log's ${within.start} to ${within.end}`,
        ),
      );
    }
  }

  #noteTrouble(error: unknown, attempt: number): void {
    const reason =
      error instanceof OrderonceError
        ? `${error.code}: ${error.message}`
        : `DATABASE_UNAVAILABLE: ${reasonOf(error)}`;
    if (attempt === 1 || attempt % 20 === 0 || reason !== this.#logTrouble) {
      this.#options.logger.warn({ attempt, reason }, 'Waiting for log or database');
    }
    this.#logTrouble = reason;
  }
}
