/**
 * The port of the log: records in partitions, ordered and numbered within each. Two adapters keep
 * it, Kafka and embedded (tables in PostgreSQL); one contract suite holds both to these promises:
 *
 * - append: resolves only once every record is durable; the records of one call lie in their
 *   partitions in the order given, at the positions returned. A rejection means "unknown", but
 *   for RECORD_TOO_LARGE: nothing was appended.
 * - one append at a time: the caller waits for one before it starts the next.
 * - fetch: gives each offset's record once, in order, from exactly the offset asked for; offsets
 *   that hold no record are named as gaps. What was appended is never changed.
 */

import { OrderonceError } from '../errors.ts';

export type Header = readonly [key: Buffer | null, value: Buffer | null];

export type AppendRecord = {
  /** Decides the partition. */
  readonly key: Buffer;
  /** null is a tombstone: for compacted topics, which delete a key by it. */
  readonly value: Buffer | null;
  readonly headers?: readonly Header[];
};

/**
 * Key, value and headers of one record together; Kafka's default for a whole batch is 1 MiB. An
 * event's canonical form stays below 2 KiB: this only guards against misuse.
 */
export const RECORD_BYTES_MAX = 900 * 1024;

/** @throws RECORD_TOO_LARGE before anything is sent. */
export function assertRecordSizes(records: readonly AppendRecord[]): void {
  const tooLarge = records.map(sizeOf).find((bytes) => bytes > RECORD_BYTES_MAX);
  if (tooLarge === undefined) return;
  throw new OrderonceError(
    'RECORD_TOO_LARGE',
    `A record of ${tooLarge} bytes is over the limit of ${RECORD_BYTES_MAX}`,
  );
}

function sizeOf({ key, value, headers = [] }: AppendRecord): number {
  const ofHeaders = headers.flat().reduce((sum, part) => sum + (part?.length ?? 0), 0);
  return key.length + (value?.length ?? 0) + ofHeaders;
}

export type LogPosition = { readonly partition: number; readonly offset: number };

export type LogAppender = {
  readonly topic: string;
  /** One call at a time. @throws RECORD_TOO_LARGE, or anything else for "unknown". */
  append(records: readonly AppendRecord[]): Promise<LogPosition[]>;
  /** Resolves when the log could take an append now; rejects with the reason within ~2 s. */
  check(): Promise<void>;
  /** Set where a check that succeeds shows that whatever made an earlier append fail is over. */
  readonly isProvenByCheck?: true;
  /** Stops within `deadlineMs` even if the log hangs. What is still in flight stays unknown. */
  close(deadlineMs: number): Promise<void>;
};

/** One record as it lies in the log. */
export type LogRecord = {
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly Header[];
  /** Append time in ms since 1970, as the log tells it. */
  readonly appendedMs: number;
  /** Of key, value and headers together. */
  readonly bytes: number;
  /** Of the request that brought it, from its headers; null where our API did not write it. */
  readonly requestId: string | null;
};

/** Offsets [from, to) that hold no record for a reader, and why. */
export type LogGap = {
  readonly from: number;
  readonly to: number;
  readonly reason: 'control' | 'aborted' | 'compacted';
};

/** All there is in [from, next): every offset is a record's or in a gap. */
export type LogSlice = {
  readonly partition: number;
  readonly from: number;
  readonly next: number;
  readonly records: readonly LogRecord[];
  readonly gaps: readonly LogGap[];
  readonly leaderEpoch: number;
};

/** Records exist in [start, end). */
export type LogBounds = { readonly start: number; readonly end: number };

export type LogIdentity = {
  readonly topic: string;
  /** Changes when a log of this name is deleted and made anew. */
  readonly topicId: string;
  readonly partitions: number;
};

export type FetchWish = { readonly partition: number; readonly offset: number };

export type FetchAnswer = {
  readonly slices: readonly LogSlice[];
  /** Partitions whose offset lies outside the log; the others' slices are not held back by it. */
  readonly outOfRange: readonly number[];
  /** Partitions that could not be read this time, and why; nor are the others held back by these. */
  readonly failed: ReadonlyMap<number, string>;
  /** Other brokers' answers are still to come, by a later call. */
  readonly hasMore: boolean;
};

export type FetchLimits = {
  /** How long to wait for something to come, in ms. */
  readonly waitMs: number;
  readonly bytesPerPartition: number;
};

export type AssignmentListener = {
  /**
   * The partitions are about to change hands. What is in flight should finish: the group waits,
   * but no longer than a part of the session time-out.
   */
  onRevoke(): Promise<void>;
  /** These partitions are this process's now; called anew after each change. */
  onAssign(partitions: readonly number[]): void;
};

export type LogReader = {
  readonly topic: string;
  /** @throws NOT_MIGRATED when the log does not exist, LOG_UNAVAILABLE when it does not answer. */
  identity(): Promise<LogIdentity>;
  /** @param fresh asks anew who leads a partition: for when something about the log has changed. */
  bounds(partitions: readonly number[], fresh?: boolean): Promise<Map<number, LogBounds>>;
  /** @throws LOG_RECREATED when the log is another than the one named by `topicId`. */
  fetch(topicId: string, wishes: readonly FetchWish[], limits: FetchLimits): Promise<FetchAnswer>;
  /** Takes part in the group until close(). Resolves after the first assignment is under way. */
  join(listener: AssignmentListener): Promise<void>;
  /** Why this process takes no part in the group now, or null. */
  readonly groupTrouble: string | null;
  /** A hint for monitoring only: positions are PostgreSQL's (G7). Never throws. */
  commitHint(positions: ReadonlyMap<number, number>): Promise<void>;
  close(deadlineMs: number): Promise<void>;
};
