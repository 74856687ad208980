/**
 * An assignment: the partitions that this process has from one rebalance to the next. It reads
 * their positions from PostgreSQL, checks that the log is still the same, and runs one worker for
 * each partition and one fetch loop for all of them. It ends at the next rebalance.
 *
 * A partition that the log cannot describe or serve now does not hold up the others. It is retried
 * until the log serves it.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { FetchAnswer, LogBounds } from '../log/event-log.ts';
import { checkOffset, type PositionTrouble } from '../positions/check.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { unlessAborted } from '../runtime/deadline.ts';
import { OutageLog } from '../runtime/outage-log.ts';
import { readPositions, releasePositions } from '../store/positions.ts';
import type { PartitionWorker } from './partition-worker.ts';
import { type PrepareOptions, prepareWorkers } from './prepare-workers.ts';
import { UnreadPartitions } from './unread-partitions.ts';

export type AssignmentOptions = PrepareOptions & {
  /**
   * Called when an operator has resolved what stopped a partition, or when the log of a partition
   * has changed. The assignment must restart, and so check all positions against the log.
   */
  readonly onOutdated: () => void;
  /** Called once, when the first of the partitions is ready to be processed. */
  readonly onReady: () => void;
};

const BACKOFF = { firstMs: 100, mostMs: 1000 };
/** How long a fetch waits for records. The log answers earlier if there are any. */
const LONG_POLL_MS = 500;
/**
 * The same while a partition is left out of the fetch because its buffer is full. Its buffer soon
 * has room again, and the fetch that leaves it out must not delay it.
 */
const SHORT_POLL_MS = 5;
const BYTES_PER_PARTITION = 1 << 20;
/** How often the positions of stopped partitions are read, to see whether they were resolved. */
const RESOLVED_CHECK_MS = 1000;
/** How often a partition is retried that was not ready with the others. */
const REST_MS = 1000;
const OUTAGE = {
  failed: 'Waiting for the log or the database',
  over: 'Log and database answer again',
};

/** See the head of this file. The caller must call start() once, and then end(). */
export class Assignment {
  readonly partitions: readonly number[];
  readonly #options: AssignmentOptions;
  readonly #ended = new AbortController();
  readonly #unread: UnreadPartitions;
  readonly #outage: OutageLog;
  readonly #working: Promise<void>[] = [];
  #workers: PartitionWorker[] = [];
  #running: Promise<void> = Promise.resolve();
  #logTrouble: string | null = 'Positions are being read';
  #hasTaken = false;
  /** Set when the positions are being released. */
  #released: Promise<void> | undefined;

  constructor(partitions: readonly number[], options: AssignmentOptions) {
    this.partitions = partitions;
    this.#options = options;
    this.#unread = new UnreadPartitions(options.logger);
    this.#outage = new OutageLog(options.logger, OUTAGE);
  }

  get workers(): readonly PartitionWorker[] {
    return this.#workers;
  }

  /** Why no partition is read from the log, in words; or null. */
  get logTrouble(): string | null {
    if (this.#ended.signal.aborted) return 'The partitions are being reassigned';
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

  /** Which single partitions are not read from the log, and why, in words. */
  get partitionTroubles(): string[] {
    // If none can be read, logTrouble reports it once for all of them.
    if (this.#unread.whyAll(this.partitions) !== null) return [];
    // For a stopped partition its worker reports the reason.
    const stopped = this.#workers.filter((w) => w.isStopped).map(({ partition }) => partition);
    return [...this.#unread.troubles]
      .filter(([partition]) => !stopped.includes(partition))
      .map(([partition, why]) => `Partition ${partition} ${why}`);
  }

  start(): void {
    this.#running = this.#run();
  }

  /**
   * Starts no new batch. Resolves when the batches under way have committed or failed, and the
   * partitions have been released. May be called repeatedly.
   */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#running;
    this.#released ??= this.#hasTaken ? this.#release() : Promise.resolve();
    await this.#released;
  }

  async #release(): Promise<void> {
    const { reader, pool, owner } = this.#options;
    // If this fails, the next owner assumes that this process died, and runs the first batch of
    // each partition alone. That costs a little time, and nothing else.
    await releasePositions(pool, reader.topic, this.partitions, owner).catch(() => {});
  }

  async #run(): Promise<void> {
    if (this.partitions.length === 0) return;
    const topicId = await this.#untilReady();
    if (topicId === null) return;
    this.#options.onReady();
    await Promise.all([this.#fetchLoop(topicId), this.#watchStopped(), this.#prepareRest()]);
    await Promise.all(this.#working);
  }

  /**
   * Retries until at least one partition is ready.
   * @returns the topic's id; null if the assignment ended first.
   */
  async #untilReady(): Promise<string | null> {
    const { signal } = this.#ended;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const topicId = await this.#prepare(this.partitions);
        this.#outage.over();
        return topicId;
      } catch (error) {
        this.#noteTrouble(error);
        await pause(backoffMs(attempt, BACKOFF), signal);
      }
    }
    return null;
  }

  /** Retries the partitions that were not ready with the others. Each starts as soon as it can. */
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

  /**
   * Starts a worker for each of these partitions whose position can be checked against the log.
   * @returns the topic's id.
   * @throws LOG_UNAVAILABLE if none of them is ready.
   */
  async #prepare(partitions: readonly number[]): Promise<string> {
    const { reader, logger } = this.#options;
    const { signal } = this.#ended;
    this.#hasTaken = true;
    const { topicId, checked, workers } = await prepareWorkers(this.#options, partitions, signal);
    if (signal.aborted) return topicId;
    this.#workers.push(...workers);
    for (const { position, trouble } of checked) {
      if (trouble !== null) this.#halt(position.partition, trouble);
    }
    const ready = workers.map(({ partition }) => partition);
    this.#unread.note({ served: ready, failed: new Map(), heldBack: new Map() });
    this.#working.push(...workers.map((worker) => worker.run()));
    const from = Object.fromEntries(workers.map((w) => [w.partition, w.nextOffset]));
    logger.info({ topic: reader.topic, from }, 'Partitions assigned');
    return topicId;
  }

  async #fetchLoop(topicId: string): Promise<void> {
    const { signal } = this.#ended;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#fetchOnce(topicId);
        this.#logTrouble = null;
        this.#outage.over();
        failures = 0;
      } catch (error) {
        if (error instanceof OrderonceError && error.code === 'LOG_RECREATED') {
          for (const { partition, nextOffset } of this.#workers) {
            this.#halt(partition, { error, from: nextOffset, to: nextOffset });
          }
        }
        this.#noteTrouble(error);
        await pause(backoffMs(++failures, BACKOFF), signal);
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
    if (answer.diverged.some((partition) => this.partitions.includes(partition))) {
      // What is in the buffers may be gone from the log, and other records in its place.
      const fields = { partitions: answer.diverged };
      this.#options.logger.info(fields, 'The log may have been truncated: positions are checked');
      this.#options.onOutdated();
      return;
    }
    for (const slice of answer.slices) {
      this.#workers.find((w) => w.partition === slice.partition)?.buffer.add(slice);
    }
    this.#unread.note(this.#ofOurs(answer));
    // Before any wait, so that a partition whose position lies outside the log is reported now.
    if (answer.outOfRange.length > 0) await this.#checkRange(answer.outOfRange);
    // More answers are ready, from other brokers. They must not wait for these records.
    if (answer.hasMore) return;
    const records = answer.slices.reduce((sum, slice) => sum + slice.records.length, 0);
    await this.#options.turns.whenMoreIsOfUse(records);
  }

  /** The first answer may still be one to the assignment before this one. */
  #ofOurs({ served, failed, heldBack }: FetchAnswer): Parameters<UnreadPartitions['note']>[0] {
    const isOurs = (partition: number) => this.partitions.includes(partition);
    return {
      served: served.filter(isOurs),
      failed: new Map([...failed].filter(([partition]) => isOurs(partition))),
      heldBack: new Map([...heldBack].filter(([partition]) => isOurs(partition))),
    };
  }

  /** The log refused offsets. Stops the partitions whose position really lies outside the log. */
  async #checkRange(partitions: readonly number[]): Promise<void> {
    const bounds = await this.#options.reader
      .bounds(partitions, true)
      .catch(() => new Map<number, LogBounds>());
    for (const worker of this.#workers) {
      if (!partitions.includes(worker.partition)) continue;
      // The partition is tried again. Its leader may just have changed, and a new leader may not
      // yet know the current bounds.
      this.#unread.fail(worker.partition, 'its offset lies outside the log');
      const bound = bounds.get(worker.partition);
      if (bound === undefined) continue;
      const trouble = checkOffset(worker.partition, worker.buffer.fetchOffset, bound);
      if (trouble !== null) this.#halt(worker.partition, trouble);
    }
  }

  /** Stops the partition. Its worker writes the reason to the database, where operators find it. */
  #halt(partition: number, { error, from, to }: PositionTrouble): void {
    this.#workers.find((worker) => worker.partition === partition)?.halt(error, { from, to });
  }

  /**
   * Waits until an operator resolves what stopped a partition. That always changes its position, so
   * a changed position shows that it was resolved.
   */
  async #watchStopped(): Promise<void> {
    const { reader, pool, onOutdated } = this.#options;
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
      if (isResolved) return onOutdated();
    }
  }

  #noteTrouble(error: unknown): void {
    const reason =
      error instanceof OrderonceError
        ? `${error.code}: ${error.message}`
        : `DATABASE_UNAVAILABLE: ${reasonOf(error)}`;
    this.#outage.failed(reason);
    this.#logTrouble = reason;
  }
}
