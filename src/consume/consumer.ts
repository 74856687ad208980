/** The consumer of a topic: a member of its consumer group, with one Assignment between two rebalances. */
import type { Settled } from '../inbox/batch.ts';
import { within } from '../runtime/deadline.ts';
import { Assignment, type AssignmentOptions } from './assignment.ts';
import type { ConsumerMeter } from './consumer-meter.ts';
import { OutcomeLog } from './outcome-log.ts';
import type { WorkerState } from './partition-state.ts';
import type { Moved } from './turns.ts';

export type ConsumerOptions = Omit<
  AssignmentOptions,
  'onOutdated' | 'onReady' | 'onTimed' | 'onRetry' | 'onCommitted'
> & {
  /** Called after each COMMIT that moved positions. */
  readonly onCommitted?: (settled: Settled) => void;
  /** Told what happens, for metrics. */
  readonly meter?: ConsumerMeter;
};

/** The status of a partition, as health shows it. Times are UTC, in ISO 8601. */
export type PartitionStatus = {
  /** Absent if the process reads one topic only. */
  readonly topic?: string;
  readonly partition: number;
  readonly next_offset: number;
  readonly state: WorkerState;
  /** When it entered this state. */
  readonly since: string;
  /** Why it does not run: an error code, and a text that begins with it. Absent while it runs. */
  readonly code?: string;
  readonly reason?: string;
  /** Failed attempts since the position last moved. Absent while it runs. */
  readonly attempts?: number;
  /** When the first record at the position was appended. Absent if none is known to wait. */
  readonly oldest_at?: string;
};

/** How often offsets are committed to the log. */
const HINT_MS = 1000;

/** The caller must call start() once, and then stop(). Failures are retried, not thrown. */
export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #outcomes: OutcomeLog;
  readonly #hints = new Map<number, number>();
  #assignment: Assignment | undefined;
  /** Settles when every earlier assignment has ended. */
  #ended: Promise<unknown> = Promise.resolve();
  #hintTimer: NodeJS.Timeout | undefined;
  #isStarted = false;
  #stopping = false;
  /** Since when no partition is processed, because of a rebalance; null while partitions are. */
  #interruptedAt: number | null = null;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#outcomes = new OutcomeLog(options.logger);
  }

  get topic(): string {
    return this.#options.reader.topic;
  }

  /** Joins the group. Resolves when it has been joined; it retries without a limit. */
  async start(): Promise<void> {
    this.#isStarted = true;
    this.#hintTimer ??= setInterval(() => void this.#sendHints(), HINT_MS).unref();
    await this.#options.reader.join({
      onRevoke: () => {
        this.#interruptedAt ??= performance.now();
        return this.#assignment?.end() ?? Promise.resolve();
      },
      onAssign: (partitions) => {
        this.#interruptedAt ??= performance.now();
        this.#options.meter?.rebalanced();
        void this.#assign(partitions);
      },
    });
  }

  /**
   * Ends the previous assignment and starts the next one. A batch of the previous one that is still
   * under way cannot do harm: its position is fenced.
   */
  async #assign(partitions: readonly number[]): Promise<void> {
    const before = this.#assignment;
    const assignment: Assignment = new Assignment(partitions, {
      ...this.#options,
      onCommitted: (moved, settled) => this.#committed(moved, settled),
      onRetry: this.#options.meter?.retried,
      onTimed: this.#options.meter?.timed,
      onReady: () => this.#resumed(),
      onOutdated: () => {
        // Not if a rebalance has replaced this assignment: the partitions may belong to others.
        if (this.#assignment === assignment) void this.#assign(partitions);
      },
    });
    this.#assignment = assignment;
    // All earlier ones: the one before this may have been replaced while it waited for another.
    this.#ended = Promise.all([this.#ended, before?.end()]);
    await this.#ended;
    if (this.#stopping || this.#assignment !== assignment) return;
    this.#hints.clear();
    assignment.start();
  }

  #resumed(): void {
    const since = this.#interruptedAt;
    this.#interruptedAt = null;
    if (since !== null) this.#options.meter?.resumed((performance.now() - since) / 1000);
  }

  #committed(moved: readonly Moved[], settled: Settled): void {
    for (const { partition, next } of moved) this.#hints.set(partition, next);
    this.#outcomes.report(settled);
    this.#options.meter?.committed(moved, settled);
    this.#options.onCommitted?.(settled);
  }

  async #sendHints(): Promise<void> {
    this.#outcomes.flush();
    const hints = new Map(this.#hints);
    this.#hints.clear();
    if (hints.size > 0) await this.#options.reader.commitHint(hints);
  }

  /** Everything that holds up processing, in words; empty if nothing does. */
  get troubles(): string[] {
    const assignment = this.#assignment;
    const { groupTrouble } = this.#options.reader;
    // Before start() the service reports what it waits for.
    if (!this.#isStarted) return [];
    if (assignment === undefined) {
      return [groupTrouble ?? 'The consumer group has not been joined yet'];
    }
    const ofLog = [groupTrouble, assignment.logTrouble].filter((trouble) => trouble !== null);
    const ofWorkers = assignment.workers
      .filter((worker) => worker.status.state !== 'running')
      .map(
        (worker) => `Partition ${worker.partition} ${worker.status.state}: ${worker.status.reason}`,
      );
    return [...ofLog, ...assignment.partitionTroubles, ...ofWorkers];
  }

  /** Whether the log answers: the group has been joined, and its partitions can be read. */
  get isLogUp(): boolean {
    const { groupTrouble } = this.#options.reader;
    return groupTrouble === null && this.#assignment?.logTrouble === null;
  }

  /** Whether at least one partition is processed. `troubles` then concern single partitions. */
  get isAnyAtWork(): boolean {
    return this.#assignment?.isAnyAtWork ?? false;
  }

  get partitions(): PartitionStatus[] {
    return (this.#assignment?.workers ?? []).map((worker) => {
      const { state, code, reason, since, attempts } = worker.status;
      const { partition, nextOffset: next_offset, oldestMs } = worker;
      const oldest = oldestMs === null ? {} : { oldest_at: new Date(oldestMs).toISOString() };
      const status = { partition, next_offset, state, since: since.toISOString(), ...oldest };
      return code === null || reason === null ? status : { ...status, code, reason, attempts };
    });
  }

  /**
   * Finishes the batches under way and leaves the group. Resolves within `deadlineMs` in any case.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#hintTimer);
    const ended = this.#assignment?.end() ?? Promise.resolve();
    await within(deadlineMs / 2, ended, () => new Error('late')).catch(() => {});
    await within(deadlineMs / 4, this.#sendHints(), () => new Error('late')).catch(() => {});
    this.#outcomes.end();
    await this.#options.reader.close(deadlineMs / 4);
  }
}
