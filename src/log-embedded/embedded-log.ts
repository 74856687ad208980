/**
 * The embedded log keeps the promises of event-log.ts with tables in the same PostgreSQL, so that a
 * first try needs no broker. It is meant for one machine; beyond that, use Kafka. It is as durable
 * as that PostgreSQL: after a restore, the log too has lost everything since the backup.
 */

import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { OrderonceError, reasonOf } from '../errors.ts';
import {
  type AppendOutcome,
  type AppendRecord,
  type AssignmentListener,
  type FetchAnswer,
  type FetchLimits,
  type FetchWish,
  type LogAppender,
  type LogBounds,
  type LogIdentity,
  type LogPosition,
  type LogReader,
  type LogSlice,
  NOTHING_NEW,
  refusalBySize,
} from '../log/event-log.ts';
import { partitionOf } from '../log/partition.ts';
import {
  findEmbeddedLog,
  insertEmbeddedLog,
  insertLogRecords,
  lockEmbeddedLog,
  readLogBounds,
  readLogRecords,
  type StoredLog,
} from '../store/event-log-table.ts';
import type { Pool } from '../store/pool.ts';
import type { Transaction } from '../store/queryable.ts';
import { inTransaction } from '../store/transaction.ts';
import { assertWritable } from '../store/writable.ts';

const LIMITS = { lockMs: 4000, statementMs: 4000, idleMs: 4000 };
/** How often a reader looks for records of other processes. */
const POLL_MS = 50;
const RECORDS_PER_FETCH_MAX = 2000;

/** Signals appends of this process, so that its reader need not wait for the next poll. */
const appended = new EventEmitter().setMaxListeners(0);

/**
 * Creates the log unless it exists. Safe if several processes do so at the same time.
 * @returns whether this call created it.
 */
export async function createEmbeddedLog(
  pool: Pool,
  topic: string,
  partitions: number,
): Promise<boolean> {
  return await inTransaction(pool, { ...LIMITS, lockMs: 30_000 }, async (tx) => {
    await lockEmbeddedLog(tx, topic);
    if ((await findEmbeddedLog(tx, topic)) !== null) return false;
    await insertEmbeddedLog(tx, topic, `embedded-${randomUUID()}`, partitions);
    return true;
  });
}

async function requireLog(pool: Pool, topic: string): Promise<StoredLog> {
  const log = await findEmbeddedLog(pool, topic);
  if (log !== null) return log;
  throw new OrderonceError(
    'NOT_MIGRATED',
    `The embedded log "${topic}" does not exist: run "orderonce migrate"`,
  );
}

function embeddedError(error: unknown): OrderonceError {
  if (error instanceof OrderonceError) return error;
  // 42P01: no such table, so the migrations have not run.
  if ((error as { code?: unknown }).code === '42P01') {
    return new OrderonceError('NOT_MIGRATED', 'The tables are missing: run "orderonce migrate"');
  }
  return new OrderonceError('LOG_UNAVAILABLE', `The embedded log fails: ${reasonOf(error)}`, {
    cause: error,
  });
}

/** Appends the records of one call in one transaction: all are durable, or none is. */
export class EmbeddedAppender implements LogAppender {
  readonly topic: string;
  readonly #pool: Pool;
  #log: StoredLog | undefined;

  constructor(pool: Pool, topic: string) {
    this.#pool = pool;
    this.topic = topic;
  }

  /** One lane: the records of all partitions go into one transaction. */
  readonly lanes = 1;

  laneOf(): number {
    return 0;
  }

  laneTrouble(): null {
    return null;
  }

  isOverAfterCheck(): boolean {
    return true;
  }

  refusalOf(record: AppendRecord): OrderonceError | null {
    return refusalBySize(record);
  }

  async append(records: readonly AppendRecord[]): Promise<AppendOutcome[]> {
    const refusals = records.map((record) => this.refusalOf(record));
    try {
      this.#log ??= await requireLog(this.#pool, this.topic);
      const { logId, partitions } = this.#log;
      const placed = records
        .filter((_, index) => refusals[index] === null)
        .map((record) => ({ ...record, partition: partitionOf(record.key, partitions) }));
      const positions = await inTransaction(this.#pool, LIMITS, (tx) =>
        insertLogRecords(tx, logId, placed),
      );
      let next = 0;
      return refusals.map((refusal) => refusal ?? (positions[next++] as LogPosition));
    } catch (error) {
      // After an outage the database may be another one (restored or created again), with another
      // log.
      this.#log = undefined;
      throw embeddedError(error);
    } finally {
      appended.emit(this.topic);
    }
  }

  async check(): Promise<readonly string[]> {
    try {
      await requireLog(this.#pool, this.topic);
      await assertWritable(this.#pool);
      return [];
    } catch (error) {
      throw embeddedError(error);
    }
  }

  /** The pool belongs to the caller. */
  async close(_deadlineMs?: number): Promise<void> {}
}

/**
 * Assigns all partitions to this process. If two processes consume at the same time, the fence (the
 * compare-and-set of the position) lets only one of them commit.
 */
export class EmbeddedReader implements LogReader {
  readonly topic: string;
  readonly #pool: Pool;
  #closed = false;
  #known: StoredLog | undefined;

  constructor(pool: Pool, topic: string) {
    this.#pool = pool;
    this.topic = topic;
  }

  async identity(): Promise<LogIdentity> {
    const { topicId, partitions } = await this.#log();
    return { topic: this.topic, topicId, partitions };
  }

  async bounds(partitions: readonly number[]): Promise<Map<number, LogBounds>> {
    const { logId } = await this.#log();
    const all = await readLogBounds(this.#pool, logId);
    return new Map([...all].filter(([partition]) => partitions.includes(partition)));
  }

  async fetch(
    topicId: string,
    wishes: readonly FetchWish[],
    limits: FetchLimits,
  ): Promise<FetchAnswer> {
    const waitUntil = performance.now() + limits.waitMs;
    for (;;) {
      // Begin to listen before reading, so that an append during the read is not missed.
      const news = this.#nextAppend(Math.min(POLL_MS, limits.waitMs));
      const answer = await this.#read(topicId, wishes);
      const hasCome = answer.slices.length > 0 || answer.outOfRange.length > 0;
      if (hasCome || performance.now() >= waitUntil || this.#closed) return answer;
      await news;
    }
  }

  async #read(topicId: string, wishes: readonly FetchWish[]): Promise<FetchAnswer> {
    try {
      const log = await this.#log();
      if (log.topicId !== topicId) {
        throw new OrderonceError('LOG_RECREATED', `The log "${this.topic}" was re-created`);
      }
      return await inTransaction(this.#pool, LIMITS, (tx) => readWishes(tx, log.logId, wishes));
    } catch (error) {
      this.#known = undefined;
      throw embeddedError(error);
    }
  }

  /** Resolves at the next append of this process, at the latest after `ms`. */
  async #nextAppend(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    appended.once(this.topic, resolve);
    await promise;
    clearTimeout(timer);
    appended.off(this.topic, resolve);
  }

  async #log(): Promise<StoredLog> {
    try {
      this.#known ??= await requireLog(this.#pool, this.topic);
      return this.#known;
    } catch (error) {
      throw embeddedError(error);
    }
  }

  async join(listener: AssignmentListener): Promise<void> {
    const { partitions } = await this.#log();
    listener.onAssign(Array.from({ length: partitions }, (_, partition) => partition));
  }

  readonly groupTrouble = null;

  async commitHint(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true;
  }
}

async function readWishes(
  tx: Transaction,
  logId: number,
  wishes: readonly FetchWish[],
): Promise<FetchAnswer> {
  const bounds = await readLogBounds(tx, logId);
  const slices: LogSlice[] = [];
  const outOfRange: number[] = [];
  const failed = new Map<number, string>();
  for (const { partition, offset } of wishes) {
    const { start, end } = bounds.get(partition) ?? { start: 0, end: 0 };
    if (offset < start || offset > end) outOfRange.push(partition);
    if (offset < start || offset >= end) continue;
    const records = await readLogRecords(tx, logId, partition, offset, RECORDS_PER_FETCH_MAX);
    const dense = denseFrom(offset, records);
    if (dense.length === 0)
      failed.set(partition, `Offset ${offset} is missing from the embedded log`);
    else slices.push(sliceOf(partition, offset, dense));
  }
  const served = wishes.map(({ partition }) => partition).filter((p) => !failed.has(p));
  return { ...NOTHING_NEW, slices, outOfRange, failed, served };
}

/**
 * The records before the first missing one. Offsets of the embedded log are dense, so reading behind
 * a missing one would skip a record.
 */
function denseFrom(from: number, records: LogSlice['records']): LogSlice['records'] {
  const hole = records.findIndex((record, index) => record.offset !== from + index);
  return hole === -1 ? records : records.slice(0, hole);
}

function sliceOf(partition: number, from: number, records: LogSlice['records']): LogSlice {
  return { partition, from, next: from + records.length, records, gaps: [], leaderEpoch: -1 };
}
