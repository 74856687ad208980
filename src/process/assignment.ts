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
import { logIdOf } from '../store/logs.ts';
import type { Pool } from '../store/pool.ts';
import { clearTroubles } from '../store/position-troubles.ts';
import {
  ensurePositions,
  readPositions,
  releasePositions,
  takePositions,
} from '../store/positions.ts';
import { findSuspect } from '../store/suspects.ts';
import type { TransactionLimits } from '../store/transaction.ts';
import type { ParkGuard } from './park-guard.ts';
import { PartitionWorker, type WorkerOptions } from './partition-worker.ts';
import {
  type CheckedPosition,
  checkOffset,
  checkPositions,
  type PositionTrouble,
} from './position-check.ts';
import type { BatchContext } from './settle-piece.ts';
import { Suspicion } from './suspicion.ts';
import type { Turns } from './turns.ts';

export type AssignmentOptions = {
  readonly reader: LogReader;
  readonly pool: Pool;
  readonly limits: TransactionLimits;
  readonly owner: string;
  readonly handlers: HandlerSet;
  readonly parkGuard: ParkGuard;
  readonly turns: Turns;
  readonly batchMax: number;
  readonly logger: Logger;
  /** What stopped a partition has been resolved: the assignment should begin anew. */
  readonly onMended: () => void;
};

const BACKOFF = { firstMs: 100, mostMs: 3000 };
/** Wait of a fetch when nothing is left out: the log's answer comes at once when there is news. */
const LONG_POLL_MS = 500;
/** … and when a partition was left out since its buffer is full: it must not starve meanwhile. */
const SHORT_POLL_MS = 5;
const BYTES_PER_PARTITION = 1 << 20;
const MEND_CHECK_MS = 1000;

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
    await Promise.all([this.#fetchLoop(topicId), this.#watchForMend(), ...working]);
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
    const checked = await checkPositions(reader, pool, identity.topicId, this.partitions);
    const workers = await this.#makeWorkers(checked);
    await clearTroubles(pool, reader.topic, this.partitions);
    this.#workers = workers;
    for (const { position, trouble } of checked) {
      if (trouble !== null) this.#halt(position.partition, trouble);
    }
    const from = Object.fromEntries(workers.map((w) => [w.partition, w.nextOffset]));
    logger.info({ topic: reader.topic, from }, 'Partitions assigned');
    return identity.topicId;
  }

  async #makeWorkers(checked: readonly CheckedPosition[]): Promise<PartitionWorker[]> {
    const { reader, pool, owner, handlers } = this.#options;
    // Without handlers nothing can loop or end the process.
    const isWary = handlers.handlers.length > 0;
    const unclean = isWary
      ? await takePositions(pool, reader.topic, this.partitions, owner)
      : new Set<number>();
    this.#hasTaken = isWary;
    const workers: PartitionWorker[] = [];
    for (const { position } of checked) {
      const context = this.#context(position.logId);
      const suspect = isWary ? await findSuspect(pool, position) : null;
      const suspicion = new Suspicion(context, suspect, unclean.has(position.partition));
      workers.push(new PartitionWorker(position, this.#workerOptions(context, suspicion)));
    }
    return workers;
  }

  #context(logId: number): BatchContext {
    const { reader, pool, limits, owner, handlers, parkGuard } = this.#options;
    return { pool, limits, topic: reader.topic, logId, owner, handlers, parkGuard };
  }

  #workerOptions(context: BatchContext, suspicion: Suspicion): WorkerOptions {
    const { turns, batchMax, logger } = this.#options;
    return { context, suspicion, turns, batchMax, logger, signal: this.#ended.signal };
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
          for (const { partition, nextOffset } of this.#workers) {
            this.#halt(partition, { error, from: nextOffset, to: nextOffset });
          }
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
    // The answers of other brokers must not wait for this one's records.
    if (!answer.hasMore) {
      const records = answer.slices.reduce((sum, slice) => sum + slice.records.length, 0);
      await this.#options.turns.whenMoreIsOfUse(records);
    }
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
      const trouble = checkOffset(worker.partition, worker.buffer.fetchOffset, within);
      if (trouble !== null) this.#halt(worker.partition, trouble);
    }
  }

  /** Stops the partition, and writes down why: an operator may look long after us. */
  #halt(partition: number, { error, from, to }: PositionTrouble): void {
    this.#workers.find((worker) => worker.partition === partition)?.halt(error, { from, to });
  }

  /** An operator may resolve what stopped a partition: then its position is another one. */
  async #watchForMend(): Promise<void> {
    const { reader, pool, onMended } = this.#options;
    const { signal } = this.#ended;
    for (;;) {
      await pause(MEND_CHECK_MS, signal);
      if (signal.aborted) return;
      const stopped = this.#workers.filter((worker) => worker.isStopped);
      if (stopped.length === 0) continue;
      const positions = await readPositions(pool, reader.topic).catch(() => []);
      if (signal.aborted) return;
      const isMended = stopped.some((worker) =>
        positions.some((p) => p.partition === worker.partition && !worker.isAt(p)),
      );
      if (isMended) return onMended();
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
