/**
 * What a partition does, why and since when: one record, which health, metrics, `positions`, the
 * console and `doctor` show. It is written down while the partition does not run, since commands
 * and other processes have no other way to know; nothing is written while it runs well.
 *
 * States: `running`; `retrying` after a failure that passes (the same events again, with backoff);
 * `waiting` for older partitions after the topic has grown; `stopped` because continuing would skip
 * or repeat something: only an operator can resolve it.
 */
import type { ErrorCode } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Pool } from '../store/pool.ts';
import { clearTroubles, noteTrouble } from '../store/position-troubles.ts';

export type WorkerState = 'running' | 'retrying' | 'waiting' | 'stopped';

export type PartitionRecord = {
  readonly state: WorkerState;
  /** Why it does not run; null while it does. */
  readonly code: ErrorCode | null;
  readonly reason: string | null;
  /** When it entered this state, for this reason. */
  readonly since: Date;
  /** Tries that failed since the position moved last. */
  readonly attempts: number;
};

type Trouble = {
  readonly code: ErrorCode;
  readonly message: string;
  /** The offsets in question, half-open; the position where there are none. */
  readonly from: number;
  readonly to: number;
};

export type StateOptions = {
  readonly pool: Pool;
  readonly topic: string;
  readonly owner: string;
  readonly partition: number;
  readonly logger: Logger;
  readonly now?: () => number;
};

/** A failure that the next try resolves is not worth a row. */
const WRITTEN_FROM_ATTEMPT = 2;
/** How often the row of a lasting trouble is written anew, and the log reminds of it. */
const REFRESH_MS = 30_000;
const REMINDER_MS = 60_000;

export class PartitionState {
  readonly #options: StateOptions;
  readonly #now: () => number;
  #record: PartitionRecord;
  #trouble: Trouble | null = null;
  #saidAt = 0;
  /** What the row says, and since when; null where there is none. */
  #written: (Trouble & { readonly state: WorkerState; readonly at: number }) | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: StateOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const since = new Date(this.#now());
    this.#record = { state: 'running', code: null, reason: null, since, attempts: 0 };
  }

  get record(): PartitionRecord {
    return this.#record;
  }

  /** Nothing leads back from `stopped`: what was under way may still end, either way. */
  get isStopped(): boolean {
    return this.#record.state === 'stopped';
  }

  /** The position has moved: what failed before is over. */
  moved(): void {
    if (this.#record.attempts > 0) this.#record = { ...this.#record, attempts: 0 };
  }

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

  /** One more try has failed. */
  retry(trouble: Trouble): void {
    this.#enter('retrying', trouble, this.#record.attempts + 1);
  }

  wait(trouble: Trouble): void {
    this.#enter('waiting', trouble, 0);
  }

  /** Stops loudly instead of skipping; other partitions are not concerned. */
  stop(trouble: Trouble): void {
    this.#enter('stopped', trouble, this.#record.attempts);
  }

  #enter(state: Exclude<WorkerState, 'running'>, trouble: Trouble, attempts: number): void {
    if (this.isStopped) return;
    const { code, message } = trouble;
    const before = this.#record;
    const isNew = before.state !== state || before.code !== code;
    const since = isNew ? new Date(this.#now()) : before.since;
    this.#trouble = trouble;
    this.#record = { state, code, reason: `${code}: ${message}`, since, attempts };
    this.#say(isNew);
    if (state !== 'retrying' || attempts >= WRITTEN_FROM_ATTEMPT) this.#write();
  }

  /** A line for each change of state, then a reminder now and then. */
  #say(isNew: boolean): void {
    if (!isNew && this.#now() - this.#saidAt < REMINDER_MS) return;
    this.#saidAt = this.#now();
    const { state, code, reason, since, attempts } = this.#record;
    const { partition, logger } = this.#options;
    const fields = { partition, state, code, reason, attempts, since: since.toISOString() };
    const level = state === 'stopped' ? 'error' : state === 'waiting' ? 'info' : 'warn';
    logger[level](fields, isNew ? `Partition ${WORDS[state]}` : `Partition still ${WORDS[state]}`);
  }

  /** In the background, one after the other; what fails is tried again with the next change. */
  #write(): void {
    this.#writing = this.#writing.then(() => this.#writeNow()).catch(() => {});
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

  /** Resolves when what is to be written has been, or could not be. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}

const WORDS = { running: 'runs', retrying: 'retries', waiting: 'waits', stopped: 'stopped' };
