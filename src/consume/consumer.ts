/** The consumer: takes part in the group and keeps one Assignment alive between rebalances. */

import type { Settled } from '../inbox/settle-records.ts';
import { within } from '../runtime/deadline.ts';
import { Assignment, type AssignmentOptions } from './assignment.ts';
import { OutcomeLog } from './outcome-log.ts';
import type { WorkerState } from './partition-state.ts';
import { Turns } from './turns.ts';

export type ConsumerOptions = Omit<AssignmentOptions, 'turns' | 'onResolved'> & {
  readonly connections: number;
  /** Called after each COMMIT, for metrics. */
  readonly onCommitted?: (settled: Settled) => void;
};

export type PartitionStatus = {
  readonly partition: number;
  readonly next_offset: number;
  readonly state: WorkerState;
  /** Since when it is in this state. */
  readonly since: string;
  /** Why it does not run, with the code; absent while it does. */
  readonly code?: string;
  readonly reason?: string;
  /** Tries that failed since the position moved last. */
  readonly attempts?: number;
};

const HINT_MS = 1000;

export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #outcomes: OutcomeLog;
  readonly #turns: Turns;
  readonly #hints = new Map<number, number>();
  #assignment: Assignment | undefined;
  #hintTimer: NodeJS.Timeout | undefined;
  #isStarted = false;
  #stopping = false;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#outcomes = new OutcomeLog(options.logger);
    this.#turns = new Turns({
      connections: options.connections,
      batchMax: options.batchMax,
      onCommitted: (positions, settled) => this.#committed(positions, settled),
    });
  }

  /** Resolves when the group has been joined, however long that takes. */
  async start(): Promise<void> {
    this.#isStarted = true;
    this.#hintTimer ??= setInterval(() => void this.#sendHints(), HINT_MS).unref();
    await this.#options.reader.join({
      onRevoke: () => this.#assignment?.end() ?? Promise.resolve(),
      onAssign: (partitions) => void this.#assign(partitions),
    });
  }

  /** Each call replaces the assignment before it; what that had under way is fenced in any case. */
  async #assign(partitions: readonly number[]): Promise<void> {
    const before = this.#assignment;
    const assignment: Assignment = new Assignment(partitions, {
      ...this.#options,
      turns: this.#turns,
      onResolved: () => {
        // Only while it is still the one: a rebalance may have given the partitions away.
        if (this.#assignment === assignment) void this.#assign(partitions);
      },
    });
    this.#assignment = assignment;
    await before?.end();
    if (this.#stopping || this.#assignment !== assignment) return;
    this.#hints.clear();
    assignment.start();
  }

  #committed(positions: ReadonlyMap<number, number>, settled: Settled): void {
    for (const [partition, next] of positions) this.#hints.set(partition, next);
    this.#outcomes.report(settled);
    this.#options.onCommitted?.(settled);
  }

  async #sendHints(): Promise<void> {
    this.#outcomes.flush();
    const hints = new Map(this.#hints);
    this.#hints.clear();
    if (hints.size > 0) await this.#options.reader.commitHint(hints);
  }

  /** What holds it up, in words; empty when all is well. */
  get troubles(): string[] {
    const assignment = this.#assignment;
    const { groupTrouble } = this.#options.reader;
    // Before start() it is somebody else's trouble, who says so.
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

  /** Whether it does part of its job: then its troubles are those of single partitions. */
  get isAnyAtWork(): boolean {
    return this.#assignment?.isAnyAtWork ?? false;
  }

  get partitions(): PartitionStatus[] {
    return (this.#assignment?.workers ?? []).map((worker) => {
      const { state, code, reason, since, attempts } = worker.status;
      const { partition, nextOffset: next_offset } = worker;
      const status = { partition, next_offset, state, since: since.toISOString() };
      return code === null || reason === null ? status : { ...status, code, reason, attempts };
    });
  }

  /** Finishes the batches under way, hands the partitions on; within `deadlineMs` in any case. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#hintTimer);
    const ended = this.#assignment?.end() ?? Promise.resolve();
    await within(deadlineMs / 2, ended, () => new Error('late')).catch(() => {});
    await within(deadlineMs / 4, this.#sendHints(), () => new Error('late')).catch(() => {});
    await this.#options.reader.close(deadlineMs / 4);
  }
}
