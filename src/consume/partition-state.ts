/**
 * The state of a partition, its reason, and since when. Health, metrics, `positions`, the console
 * and `doctor` show it. While the partition does not run, the state is also written to the table
 * `position_troubles`, from which commands and other processes read it. While it runs, nothing is
 * written.
 *
 * - `running`
 * - `retrying`: after a failure, the same events are tried again, with backoff.
 * - `waiting`: for older partitions, after the topic has grown.
 * - `stopped`: continuing would skip or repeat records. Only an operator can resolve that.
 */
import type { ErrorCode } from '../errors.ts';
import { backoffMs } from '../runtime/backoff.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Pool } from '../store/pool.ts';
import { clearTroubles, noteTrouble } from '../store/position-troubles.ts';

export type WorkerState = 'running' | 'retrying' | 'waiting' | 'stopped';

/** What a partition does now. */
export type PartitionRecord = {
  readonly state: WorkerState;
  /** Why it does not run; null while it runs. */
  readonly code: ErrorCode | null;
  readonly reason: string | null;
  /** Since when it runs, or since when it does not, whatever the reasons were. */
  readonly since: Date;
  /** Failed attempts since the position last moved. */
  readonly attempts: number;
};

type Trouble = {
  readonly code: ErrorCode;
  readonly message: string;
  /** The offsets concerned, half-open; both are the position if no range is concerned. */
  readonly from: number;
  readonly to: number;
};

export type StateOptions = {
  readonly pool: Pool;
  readonly topic: string;
  readonly owner: string;
  readonly partition: number;
  readonly logger: Logger;
  /** Aborted when this process gives the partition up: then failed writes are not repeated. */
  readonly signal: AbortSignal;
  readonly now?: () => number;
  /** Called for each failed attempt, with its code; for metrics. */
  readonly onRetry?: ((code: ErrorCode) => void) | undefined;
  /**
   * Keeps texts of handlers and of PostgreSQL, which may name what a sender wrote, to the log:
   * health is open to all, and keys of the role `read` must not see them (READ_ROLE_PAYLOADS=off).
   */
  readonly hidesMessages?: boolean | undefined;
};

/** A first failed attempt is not written, because the next attempt usually succeeds. */
const WRITTEN_FROM_ATTEMPT = 2;
/** How often the row and the log line of a lasting trouble are repeated. */
const REFRESH_MS = 30_000;
const REMINDER_MS = 60_000;
/** Codes whose messages are texts of handlers or of PostgreSQL. */
const OF_OTHERS: readonly ErrorCode[] = ['HANDLER_FAILS', 'ALL_REFUSED', 'DATABASE_UNAVAILABLE'];
const REWRITE = { firstMs: 500, mostMs: 10_000 };

/** Keeps the state of one partition. Its methods never throw, and none waits for the database. */
export class PartitionState {
  readonly #options: StateOptions;
  readonly #now: () => number;
  #record: PartitionRecord;
  #trouble: Trouble | null = null;
  #saidAt = 0;
  /** What the row in position_troubles says, and when it was written; null if there is no row. */
  #written: (Trouble & { readonly state: WorkerState; readonly at: number }) | null = null;
  #writing: Promise<void> = Promise.resolve();
  /** Writes that failed since the last that succeeded, and the timer of the next. */
  #failures = 0;
  #rewrite: NodeJS.Timeout | undefined;

  constructor(options: StateOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const since = new Date(this.#now());
    this.#record = { state: 'running', code: null, reason: null, since, attempts: 0 };
  }

  get record(): PartitionRecord {
    return this.#record;
  }

  /** The state `stopped` is final, even if a batch that was under way commits after the stop. */
  get isStopped(): boolean {
    return this.#record.state === 'stopped';
  }

  /** To be called when the position has moved: attempts are counted from zero again. */
  moved(): void {
    if (this.#record.attempts > 0) this.#record = { ...this.#record, attempts: 0 };
  }

  /** Enters `running`, unless the partition is stopped. */
  run(): void {
    if (this.isStopped) return;
    if (this.#record.state !== 'running') {
      const { code, since } = this.#record;
      const seconds = Math.round((this.#now() - since.getTime()) / 1000);
      const fields = { partition: this.#options.partition, after: code, seconds };
      this.#options.logger.info(fields, 'Partition runs again');
      const now = new Date(this.#now());
      this.#record = { state: 'running', code: null, reason: null, since: now, attempts: 0 };
      this.#trouble = null;
    }
    if (this.#written !== null) this.#write();
  }

  /** Enters `retrying` after a failed attempt. */
  retry(trouble: Trouble): void {
    if (!this.isStopped) this.#options.onRetry?.(trouble.code);
    this.#enter('retrying', trouble, this.#record.attempts + 1);
  }

  /** Enters `waiting`. */
  wait(trouble: Trouble): void {
    this.#enter('waiting', trouble, 0);
  }

  /** Enters `stopped`, for good, and logs an error. Other partitions continue. */
  stop(trouble: Trouble): void {
    this.#enter('stopped', trouble, this.#record.attempts);
  }

  #enter(state: Exclude<WorkerState, 'running'>, trouble: Trouble, attempts: number): void {
    if (this.isStopped) return;
    const { code, message } = trouble;
    const hides = this.#options.hidesMessages === true && OF_OTHERS.includes(code);
    const shown = hides ? `see the log of ${this.#options.owner}` : message;
    const before = this.#record;
    const isNew = before.state !== state || before.code !== code;
    // A trouble that shows itself under changing codes has not begun anew.
    const since = before.state === 'running' ? new Date(this.#now()) : before.since;
    this.#trouble = { ...trouble, message: shown };
    this.#record = { state, code, reason: `${code}: ${shown}`, since, attempts };
    this.#say(isNew, message);
    if (state !== 'retrying' || attempts >= WRITTEN_FROM_ATTEMPT) this.#write();
  }

  /** Logs a line for each new state or code, and then a reminder each REMINDER_MS. */
  #say(isNew: boolean, message: string): void {
    if (!isNew && this.#now() - this.#saidAt < REMINDER_MS) return;
    this.#saidAt = this.#now();
    const { state, code, since, attempts } = this.#record;
    const { partition, logger } = this.#options;
    const reason = `${code}: ${message}`;
    const fields = { partition, state, code, reason, attempts, since: since.toISOString() };
    const level = state === 'stopped' ? 'error' : state === 'waiting' ? 'info' : 'warn';
    logger[level](fields, isNew ? `Partition ${WORDS[state]}` : `Partition still ${WORDS[state]}`);
  }

  /**
   * Writes in the background, one write after the other. A failed write is repeated until it
   * succeeds: a partition may have been stopped while PostgreSQL was away, and nothing else would
   * ever write that.
   */
  #write(): void {
    clearTimeout(this.#rewrite);
    const written = () => {
      this.#failures = 0;
    };
    const failed = () => {
      if (this.#options.signal.aborted) return;
      this.#rewrite = setTimeout(() => this.#write(), backoffMs(++this.#failures, REWRITE));
      this.#rewrite.unref();
    };
    this.#writing = this.#writing.then(() => this.#writeNow()).then(written, failed);
  }

  async #writeNow(): Promise<void> {
    const { pool, topic, partition, owner } = this.#options;
    const record = this.#record;
    const trouble = this.#trouble;
    if (record.state === 'running' || trouble === null) {
      if (this.#written === null) return;
      await clearTroubles(pool, topic, [partition]);
      this.#written = null;
      return;
    }
    const before = this.#written;
    const isSame =
      before?.state === record.state &&
      before.code === trouble.code &&
      before.from === trouble.from;
    if (isSame && this.#now() - before.at < REFRESH_MS) return;
    const { state, since, attempts } = record;
    await noteTrouble(pool, topic, { partition, owner, state, since, attempts, ...trouble });
    this.#written = { ...trouble, state, at: this.#now() };
  }

  /** Resolves when the pending write has succeeded or failed. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}

const WORDS = { running: 'runs', retrying: 'retries', waiting: 'waits', stopped: 'stopped' };
