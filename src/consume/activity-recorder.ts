/**
 * Counts outcomes in memory, and adds them to the table activity every 10 seconds. It is outside of
 * the batch transaction, so that a chart costs processing nothing: a process that is killed loses
 * its last seconds of the chart, and nothing else.
 */
import type { Settled } from '../inbox/batch.ts';
import {
  type ActivityCount,
  addActivity,
  compactActivity,
  type Outcome,
} from '../store/activity.ts';
import type { Queryable } from '../store/queryable.ts';

const FLUSH_MS = 10_000;
const COMPACT_MS = 3_600_000;
/** Reasons and sources are few; this bounds what a mistake could make of them. */
const KEYS_MAX = 1000;

/** Adds the counts of one process, from start() to stop(). */
export class ActivityRecorder {
  readonly #db: Queryable;
  readonly #owner: string;
  readonly #counts = new Map<string, ActivityCount>();
  #timer: NodeJS.Timeout | undefined;
  #compactTimer: NodeJS.Timeout | undefined;

  constructor(db: Queryable, owner: string) {
    this.#db = db;
    this.#owner = owner;
  }

  start(): void {
    const quietly = (work: () => Promise<void>) => () => void work().catch(() => {});
    this.#timer ??= setInterval(
      quietly(() => this.flush()),
      FLUSH_MS,
    ).unref();
    const compact = () => compactActivity(this.#db);
    this.#compactTimer ??= setInterval(quietly(compact), COMPACT_MS).unref();
  }

  /** Counts one committed transaction. */
  note({ stored, duplicates, conflicts, deadLetters }: Settled): void {
    if (stored > 0) this.#count('stored', '', stored);
    for (const { source } of duplicates) this.#count('duplicate', source, 1);
    for (const { source } of conflicts) this.#count('conflict', source, 1);
    for (const { reason } of deadLetters) this.#count('dead_letter', reason, 1);
  }

  #count(outcome: Outcome, source: string, n: number): void {
    const key = `${outcome} ${source}`;
    const before = this.#counts.get(key)?.n ?? 0;
    if (before === 0 && this.#counts.size >= KEYS_MAX) return;
    this.#counts.set(key, { outcome, source, n: before + n });
  }

  /** Adds what has been counted. @throws if PostgreSQL does not answer; then it is kept. */
  async flush(): Promise<void> {
    const counts = [...this.#counts.values()];
    this.#counts.clear();
    try {
      await addActivity(this.#db, this.#owner, counts);
    } catch (error) {
      for (const { outcome, source, n } of counts) this.#count(outcome, source, n);
      throw error;
    }
  }

  /** Adds the rest, as far as PostgreSQL answers; it resolves in any case. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#compactTimer);
    await this.flush().catch(() => {});
  }
}
