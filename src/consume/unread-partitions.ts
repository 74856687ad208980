/**
 * Partitions of an assignment that the log does not give now, and why: each waits for its own next
 * try, so that the others are fetched without delay.
 */
import type { FetchAnswer } from '../log/event-log.ts';
import { backoffMs } from '../runtime/backoff.ts';
import type { Logger } from '../runtime/logger.ts';

const BACKOFF = { firstMs: 100, mostMs: 1000 };
/** A leader that moves is found at the second try or the third: nothing to speak of. */
const FAILURES_TO_TELL = 4;
/** A transaction of another client that is open for less is nothing unusual. */
const OPEN_TRANSACTION_MS = 10_000;

type Failing = {
  readonly reason: string;
  readonly failures: number;
  readonly retryAt: number;
};
type HeldBack = { readonly from: number; readonly to: number; readonly since: number };

export class UnreadPartitions {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #failing = new Map<number, Failing>();
  readonly #heldBack = new Map<number, HeldBack>();

  /** @param now milliseconds, monotonic. */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Whether it should be asked for now. */
  isDue(partition: number): boolean {
    return (this.#failing.get(partition)?.retryAt ?? 0) <= this.#now();
  }

  /** Takes note of an answer of the log. */
  note({ served, failed, heldBack }: Pick<FetchAnswer, 'served' | 'failed' | 'heldBack'>): void {
    for (const partition of served) {
      this.#recover(partition);
      this.#hold(partition, heldBack.get(partition));
    }
    for (const [partition, reason] of failed) this.fail(partition, reason);
  }

  /** One line when it goes on failing and one when it is read again, however often it was tried. */
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

  /** Why none of these can be read, with the reason of one of them; null while one can. */
  whyAll(partitions: readonly number[]): string | null {
    const reasons = partitions.map((partition) => this.#told(partition));
    return reasons.every((reason) => reason !== null) ? (reasons[0] ?? null) : null;
  }

  /** In words, by partition. */
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
