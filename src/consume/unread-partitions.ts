/**
 * Keeps which partitions of an assignment cannot be read from the log now, and why. Each has a
 * backoff of its own, so that the others are fetched without delay.
 */
import type { FetchAnswer } from '../log/event-log.ts';
import { backoffMs } from '../runtime/backoff.ts';
import type { Logger } from '../runtime/logger.ts';

const BACKOFF = { firstMs: 100, mostMs: 1000 };
/**
 * From this many failures on it is reported. A moved leader is found at the second or third try.
 */
const FAILURES_TO_TELL = 4;
/** A transaction of a foreign client is reported when it has been open for this long. */
const OPEN_TRANSACTION_MS = 10_000;

type Failing = {
  readonly reason: string;
  readonly failures: number;
  readonly retryAt: number;
};
type HeldBack = { readonly from: number; readonly to: number; readonly since: number };

/** See the head of this file. */
export class UnreadPartitions {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #failing = new Map<number, Failing>();
  readonly #heldBack = new Map<number, HeldBack>();

  /** @param now a monotonic clock in milliseconds. */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Whether the partition should be fetched now. */
  isDue(partition: number): boolean {
    return (this.#failing.get(partition)?.retryAt ?? 0) <= this.#now();
  }

  /** Records the partitions that an answer of the log served, and those that it did not. */
  note({ served, failed, heldBack }: Pick<FetchAnswer, 'served' | 'failed' | 'heldBack'>): void {
    for (const partition of served) {
      this.#recover(partition);
      this.#hold(partition, heldBack.get(partition));
    }
    for (const [partition, reason] of failed) this.fail(partition, reason);
  }

  /**
   * Records a failure to read a partition. It is logged once, at FAILURES_TO_TELL failures, and
   * once more when the partition is read again.
   */
  fail(partition: number, reason: string): void {
    const failures = (this.#failing.get(partition)?.failures ?? 0) + 1;
    const retryAt = this.#now() + backoffMs(failures, BACKOFF);
    this.#failing.set(partition, { reason, failures, retryAt });
    if (failures === FAILURES_TO_TELL)
      this.#logger.warn({ partition, reason }, 'Partition cannot be read');
  }

  #recover(partition: number): void {
    const before = this.#failing.get(partition);
    if (before === undefined) return;
    this.#failing.delete(partition);
    if (before.failures < FAILURES_TO_TELL) return;
    const fields = { partition, attempts: before.failures };
    this.#logger.info(fields, 'Partition is read again');
  }

  #hold(partition: number, offsets: { from: number; to: number } | undefined): void {
    const before = this.#heldBack.get(partition);
    if (offsets === undefined) this.#heldBack.delete(partition);
    else {
      const since = before?.from === offsets.from ? before.since : this.#now();
      this.#heldBack.set(partition, { ...offsets, since });
    }
  }

  #told(partition: number): string | null {
    const failing = this.#failing.get(partition);
    return failing !== undefined && failing.failures >= FAILURES_TO_TELL ? failing.reason : null;
  }

  /** If none of these can be read, the reason for the first of them; null if one can be read. */
  whyAll(partitions: readonly number[]): string | null {
    const reasons = partitions.map((partition) => this.#told(partition));
    return reasons.every((reason) => reason !== null) ? (reasons[0] ?? null) : null;
  }

  /** Why partitions are not read, in words that follow "Partition 3"; by partition. */
  get troubles(): ReadonlyMap<number, string> {
    const troubles = new Map<number, string>();
    for (const [partition, { from, to, since }] of this.#heldBack) {
      if (this.#now() - since < OPEN_TRANSACTION_MS) continue;
      troubles.set(
        partition,
        `offsets ${from} to ${to - 1} wait for the end of a transaction that another client has ` +
          'open. kafka-transactions.sh find-hanging shows it, and abort ends it',
      );
    }
    for (const partition of this.#failing.keys()) {
      const reason = this.#told(partition);
      if (reason === null) continue;
      troubles.set(partition, `cannot be read from the log: ${reason}`);
    }
    return troubles;
  }
}
