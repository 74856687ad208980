/**
 * One assignment: the partitions that are this process's from one rebalance to the next. It reads
 * their positions from PostgreSQL, checks that the log is still the same, feeds a worker per
 * partition from one fetch loop, and ends when the partitions change hands.
 *
 * A partition that the log cannot tell about or give now is waited for by itself; the others begin
 * and go on without it.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { HandlerSet } from '../handlers/run-handlers.ts';
import type { ParkGuard } from '../inbox/park-guard.ts';
import type { BatchContext } from '../inbox/settle-records.ts';
import type { LogBounds, LogReader } from '../log/event-log.ts';
import {
  type CheckedPosition,
  checkOffset,
  checkPositions,
  type PositionTrouble,
} from '../positions/check.ts';
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
import { PartitionWorker, type WorkerOptions } from './partition-worker.ts';
import { Suspicion } from './suspicion.ts';
import type { Turns } from './turns.ts';
import { UnreadPartitions } from './unread-partitions.ts';

export type AssignmentOptions = {
  readonly reader: LogReader;
  readonly pool: Pool;
  readonly limits: TransactionLimits;
  readonly owner: string;
  readonly handlers: HandlerSet;
  readonly withoutOrders?: boolean | undefined;
  readonly parkGuard: ParkGuard;
  readonly turns: Turns;
  readonly batchMax: number;
  readonly logger: Logger;
  /** What stopped a partition has been resolved: the assignment should begin anew. */
  readonly onResolved: () => void;
};

const BACKOFF = { firstMs: 100, mostMs: 1000 };
/** Wait of a fetch when nothing is left out: the log's answer comes at once when there is news. */
const LONG_POLL_MS = 500;
/** … and when a partition was left out since its buffer is full: it must not starve meanwhile. */
const SHORT_POLL_MS = 5;
const BYTES_PER_PARTITION = 1 << 20;
const RESOLVED_CHECK_MS = 1000;
/** How often partitions are tried that were not ready with the others. */
const REST_MS = 1000;

export class Assignment {
  readonly partitions: readonly number[];
  readonly #options: AssignmentOptions;
  readonly #ended = new AbortController();
  readonly #unread: UnreadPartitions;
  readonly #working: Promise<void>[] = [];
  #workers: PartitionWorker[] = [];
  #running: Promise<void> = Promise.resolve();
  #logTrouble: string | null = 'Positions are being read';
  #hasTaken = false;

  constructor(partitions: readonly number[], options: AssignmentOptions) {
    this.partitions = partitions;
    this.#options = options;
    this.#unread = new UnreadPartitions(options.logger);
  }

  get workers(): readonly PartitionWorker[] {
    return this.#workers;
  }

  /** Why nothing comes from the log, or null. */
  get logTrouble(): string | null {
    if (this.#ended.signal.aborted) return 'The partitions are changing hands';
    if (this.partitions.length === 0) return null;
    const why = this.#unread.whyAll(this.partitions);
    return why === null ? this.#logTrouble : `LOG_UNAVAILABLE: ${why}`;
  }

  /** Whether at least one partition is read and processed. */
  get isAnyAtWork(): boolean {
    const unread = this.#unread.troubles;
    const isAtWork = (worker: PartitionWorker) =>
      worker.status.state === 'running' && !unread.has(worker.partition);
    return this.logTrouble === null && this.#workers.some(isAtWork);
  }

  /** Partitions that the log does not give now, in words. */
  get partitionTroubles(): string[] {
    // Said once for all of them.
    if (this.#unread.whyAll(this.partitions) !== null) return [];
    // What stopped a partition is its worker's to say.
    const stopped = this.#workers.filter((w) => w.isStopped).map(({ partition }) => partition);
    return [...this.#unread.troubles]
      .filter(([partition]) => !stopped.includes(partition))
      .map(([partition, why]) => `Partition ${partition} ${why}`);
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
    await Promise.all([this.#fetchLoop(topicId), this.#watchStopped(), this.#prepareRest()]);
    await Promise.all(this.#working);
  }

  /** Prepares until at least one partition is ready; null when the assignment ended before. */
  async #untilReady(): Promise<string | null> {
    const { signal } = this.#ended;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        return await this.#prepare(this.partitions);
      } catch (error) {
        this.#noteTrouble(error, attempt);
        await pause(backoffMs(attempt, BACKOFF), signal);
      }
    }
    return null;
  }

  /** The partitions that were not ready with the others: each begins as soon as it can. */
  async #prepareRest(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const rest = this.partitions.filter((p) => !this.#workers.some((w) => w.partition === p));
      if (rest.length === 0) return;
      const failure = await this.#prepare(rest).then(
        () => 'its position cannot be read, or no broker leads it',
        reasonOf,
      );
      for (const partition of rest) {
        const isReady = this.#workers.some((worker) => worker.partition === partition);
        if (!isReady) this.#unread.fail(partition, failure);
      }
      await pause(REST_MS, signal);
    }
  }

  async #prepare(partitions: readonly number[]): Promise<string> {
    const { reader, pool, logger } = this.#options;
    const identity = await reader.identity();
    const all = Array.from({ length: identity.partitions }, (_, partition) => partition);
    const logId = await logIdOf(pool, identity);
    await ensurePositions(pool, reader.topic, logId, await reader.bounds(all, true));
    const checked = await checkPositions(reader, pool, identity.topicId, partitions);
    if (checked.length === 0) {
      const message = `No broker leads partitions ${partitions.join(', ')} now`;
      throw new OrderonceError('LOG_UNAVAILABLE', message);
    }
    const ready = checked.map(({ position }) => position.partition);
    const workers = await this.#makeWorkers(checked);
    await clearTroubles(pool, reader.topic, ready);
    if (this.#ended.signal.aborted) return identity.topicId;
    this.#workers.push(...workers);
    for (const { position, trouble } of checked) {
      if (trouble !== null) this.#halt(position.partition, trouble);
    }
    this.#unread.note({ served: ready, failed: new Map(), heldBack: new Map() });
    this.#working.push(...workers.map((worker) => worker.run()));
    const from = Object.fromEntries(workers.map((w) => [w.partition, w.nextOffset]));
    logger.info({ topic: reader.topic, from }, 'Partitions assigned');
    return identity.topicId;
  }

  async #makeWorkers(checked: readonly CheckedPosition[]): Promise<PartitionWorker[]> {
    const { reader, pool, owner, handlers } = this.#options;
    const partitions = checked.map(({ position }) => position.partition);
    // Without handlers nothing can loop or end the process.
    const hasHandlers = handlers.handlers.length > 0;
    const unclean = hasHandlers
      ? await takePositions(pool, reader.topic, partitions, owner)
      : new Set<number>();
    this.#hasTaken = hasHandlers;
    const workers: PartitionWorker[] = [];
    for (const { position } of checked) {
      const context = this.#context(position.logId);
      const suspect = hasHandlers ? await findSuspect(pool, position) : null;
      const suspicion = new Suspicion(context, suspect, unclean.has(position.partition));
      workers.push(new PartitionWorker(position, this.#workerOptions(context, suspicion)));
    }
    return workers;
  }

  #context(logId: number): BatchContext {
    const { reader, pool, limits, owner, handlers, parkGuard, withoutOrders } = this.#options;
    const { topic } = reader;
    return { pool, limits, topic, logId, owner, handlers, parkGuard, withoutOrders };
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
    const hungry = this.#workers.filter((w) => w.wantsRecords && this.#unread.isDue(w.partition));
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
    this.#unread.note(answer);
    // Before any wait: a partition whose position the log does not reach must say so now.
    if (answer.outOfRange.length > 0) await this.#checkRange(answer.outOfRange);
    // The answers of other brokers must not wait for this one's records.
    if (answer.hasMore) return;
    const records = answer.slices.reduce((sum, slice) => sum + slice.records.length, 0);
    await this.#options.turns.whenMoreIsOfUse(records);
  }

  /** The log refused an offset: stop exactly those partitions whose position it does not reach. */
  async #checkRange(partitions: readonly number[]): Promise<void> {
    const bounds = await this.#options.reader
      .bounds(partitions, true)
      .catch(() => new Map<number, LogBounds>());
    for (const worker of this.#workers) {
      if (!partitions.includes(worker.partition)) continue;
      // Until the next try; its leader may have changed a moment ago, and know better then.
      this.#unread.fail(worker.partition, 'its offset lies outside the log');
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
  async #watchStopped(): Promise<void> {
    const { reader, pool, onResolved } = this.#options;
    const { signal } = this.#ended;
    for (;;) {
      await pause(RESOLVED_CHECK_MS, signal);
      if (signal.aborted) return;
      const stopped = this.#workers.filter((worker) => worker.isStopped);
      if (stopped.length === 0) continue;
      const positions = await readPositions(pool, reader.topic).catch(() => []);
      if (signal.aborted) return;
      const isResolved = stopped.some((worker) =>
        positions.some((p) => p.partition === worker.partition && !worker.isAt(p)),
      );
      if (isResolved) return onResolved();
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
