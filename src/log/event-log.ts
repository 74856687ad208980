/**
 * The port of the log: records in partitions, ordered and numbered within each partition. It has
 * two adapters, Kafka and the embedded log (tables in PostgreSQL). The contract suite in
 * test/contract holds both to these promises:
 *
 * - append: resolves only after every record is durable or refused. The records of one call are in
 *   their partitions in the order given, at the positions returned. If the call rejects, the
 *   outcome is unknown: each record may or may not be in the log.
 * - lanes: the caller runs one append at a time in each lane and waits for it before the next one.
 *   A lane that is delayed does not delay the others.
 * - fetch: returns the record of each offset once, in order, from exactly the requested offset on.
 *   Offsets without a record are reported as gaps. Appended records never change.
 */

import { OrderonceError } from '../errors.ts';

/** A record header as Kafka defines it: any bytes, and a key may occur more than once. */
export type Header = readonly [key: Buffer | null, value: Buffer | null];

/** The trace context of a request or record; see trace-context.ts. */
export type TraceContext = {
  /** In the form of version 00, whatever version the sender used. */
  readonly traceparent: string;
  /** What tracing systems of other vendors carry along; null if there is none. */
  readonly tracestate: string | null;
};

export type AppendRecord = {
  /** Determines the partition; see partitionOf. */
  readonly key: Buffer;
  /** null is a tombstone, which deletes the key in a compacted topic. */
  readonly value: Buffer | null;
  readonly headers?: readonly Header[];
};

/**
 * The most bytes of one record: key, value and headers together. Kafka's default limit for a whole
 * batch is 1 MiB, so larger records need a topic with a higher max.message.bytes. It leaves room for
 * the largest event (EVENT_BYTES_MAX), its key and its headers.
 */
export const RECORD_BYTES_MAX = 1024 * 1024 + 4096;

/**
 * Checks the size of a record.
 * @param logMax the limit of this log in bytes, or null if it is not known.
 * @param refuse makes the error for a record over `logMax`.
 * @returns RECORD_TOO_LARGE for a record over `logMax` or RECORD_BYTES_MAX, otherwise null.
 */
export function refusalBySize(
  record: AppendRecord,
  logMax: number | null = null,
  refuse?: (bytesMax: number) => OrderonceError,
): OrderonceError | null {
  const bytes = sizeOf(record);
  if (logMax !== null && refuse !== undefined && bytes > logMax) return refuse(logMax);
  if (bytes <= RECORD_BYTES_MAX) return null;
  const message = `A record of ${bytes} bytes is over the limit of ${RECORD_BYTES_MAX}: send less`;
  return new OrderonceError('RECORD_TOO_LARGE', message);
}

function sizeOf({ key, value, headers = [] }: AppendRecord): number {
  const ofHeaders = headers.flat().reduce((sum, part) => sum + (part?.length ?? 0), 0);
  return key.length + (value?.length ?? 0) + ofHeaders;
}

/** Where a record is in the log. */
export type LogPosition = { readonly partition: number; readonly offset: number };

/**
 * The position of an appended record, or why the log refused it: RECORD_TOO_LARGE or
 * RECORD_REFUSED. A refused record was certainly not appended, and the log would refuse it again.
 */
export type AppendOutcome = LogPosition | OrderonceError;

export function isRefusal(outcome: AppendOutcome): outcome is OrderonceError {
  return outcome instanceof OrderonceError;
}

/** The positions of all records. @throws the first refusal, if a record was refused. */
export function positionsOf(outcomes: readonly AppendOutcome[]): LogPosition[] {
  return outcomes.map((outcome) => {
    if (isRefusal(outcome)) throw outcome;
    return outcome;
  });
}

export type LogAppender = {
  readonly topic: string;
  /**
   * How many appends can run at the same time; lanes are numbered from 0. The number may grow with
   * the topic, but never shrinks.
   */
  readonly lanes: number;
  /** The lane of a key. Records of one key are in the log in the order of their appends. */
  laneOf(key: Buffer): number;
  /**
   * Why an append of this lane does not complete, as text for health pages; null if it is not
   * known.
   */
  laneTrouble(lane: number): string | null;
  /** Why a record would be refused, if that is known before the append; otherwise null. */
  refusalOf(record: AppendRecord): OrderonceError | null;
  /**
   * Appends records of one lane. The caller must run one call at a time in each lane.
   * @returns an outcome for each record, in the order given.
   * @throws any error if the outcome is unknown.
   */
  append(records: readonly AppendRecord[]): Promise<AppendOutcome[]>;
  /**
   * Examines the log, within about 2 s.
   * @returns for each part of the log with a problem, a message for health pages; empty if none
   * has.
   * @throws the reason, if the log could not accept any append at present.
   */
  check(): Promise<readonly string[]>;
  /** Whether a successful check proves that the cause of this failure of an append is gone. */
  isOverAfterCheck(failure: OrderonceError): boolean;
  /**
   * Stops within `deadlineMs` even if the log hangs. The outcome of running appends stays unknown.
   */
  close(deadlineMs: number): Promise<void>;
};

/** One record as read from the log. */
export type LogRecord = {
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly Header[];
  /** Append time in ms since 1970, as the log reports it. With Kafka a client may have set it. */
  readonly appendedMs: number;
  /** Size of key, value and headers together. */
  readonly bytes: number;
  /** Id of the HTTP request that brought the record; null if our API did not write the record. */
  readonly requestId: string | null;
  /** The trace context of the request or client that brought it; null if there is none. */
  readonly trace: TraceContext | null;
};

/**
 * Offsets [from, to) without a record for the reader, and why. `ignored`: there are records, and the
 * team's decode function says that they are no events (decode-hook.ts).
 */
export type LogGap = {
  readonly from: number;
  readonly to: number;
  readonly reason: 'control' | 'aborted' | 'compacted' | 'ignored';
};

/** Everything in [from, next): each of these offsets has a record or is part of a gap. */
export type LogSlice = {
  readonly partition: number;
  readonly from: number;
  readonly next: number;
  readonly records: readonly LogRecord[];
  readonly gaps: readonly LogGap[];
  readonly leaderEpoch: number;
};

/** The partition holds the offsets [start, end). */
export type LogBounds = { readonly start: number; readonly end: number };

export type LogIdentity = {
  readonly topic: string;
  /** Changes when a log of this name is deleted and created again. */
  readonly topicId: string;
  readonly partitions: number;
};

/** A partition to fetch from, and the first offset that is wanted. */
export type FetchWish = { readonly partition: number; readonly offset: number };

export type FetchAnswer = {
  readonly slices: readonly LogSlice[];
  /** Partitions that were read successfully, even if there was nothing new. */
  readonly served: readonly number[];
  /**
   * Partitions whose requested offset is outside the log. The other partitions are not affected.
   */
  readonly outOfRange: readonly number[];
  /**
   * Partitions that no longer hold what was read from them before the requested offset, or may not:
   * their log was truncated and may have grown again, or its broker was away and returned. Reported
   * once, and not while nothing was read before.
   */
  readonly diverged: readonly number[];
  /**
   * Partitions that could not be read this time, and why. The other partitions are not affected.
   */
  readonly failed: ReadonlyMap<number, string>;
  /**
   * Partitions with an open transaction of another client, and the offsets [from, to) that cannot
   * be read until it ends: everything from the first record of the transaction on.
   */
  readonly heldBack: ReadonlyMap<number, { readonly from: number; readonly to: number }>;
  /** Whether answers of other brokers are still to come; a later call returns them. */
  readonly hasMore: boolean;
};

/** The answer if nothing arrived and nothing is wrong. */
export const NOTHING_NEW: FetchAnswer = {
  slices: [],
  served: [],
  outOfRange: [],
  diverged: [],
  failed: new Map(),
  heldBack: new Map(),
  hasMore: false,
};

export type FetchLimits = {
  /** How long to wait for new records, in ms. */
  readonly waitMs: number;
  /**
   * About how many bytes Kafka returns for each partition; a single larger batch is returned too
   * (KIP-74). The embedded log limits the number of records instead.
   */
  readonly bytesPerPartition: number;
};

export type AssignmentListener = {
  /**
   * The partitions are about to be reassigned. The listener should finish what is in flight and
   * then resolve. The group waits for it, but only for a part of the session timeout.
   */
  onRevoke(): Promise<void>;
  /** These partitions, and no others, now belong to this process. Called after each change. */
  onAssign(partitions: readonly number[]): void;
};

/** Whether the log, or the part of it that was asked for, does not answer now. */
export const isUnavailable = (error: unknown): error is OrderonceError =>
  error instanceof OrderonceError && error.code === 'LOG_UNAVAILABLE';

export type LogReader = {
  readonly topic: string;
  /** @throws NOT_MIGRATED if the log does not exist, LOG_UNAVAILABLE if it does not answer. */
  identity(): Promise<LogIdentity>;
  /**
   * @param fresh true asks again which brokers lead the partitions, after the log has changed.
   * @returns the bounds of those partitions whose leader answers.
   * @throws LOG_UNAVAILABLE if none answers.
   */
  bounds(partitions: readonly number[], fresh?: boolean): Promise<Map<number, LogBounds>>;
  /**
   * Returns what has arrived. Does not wait much longer than `limits.waitMs`, even if a broker
   * hangs.
   * @throws LOG_RECREATED if the id of the log is not `topicId`.
   */
  fetch(topicId: string, wishes: readonly FetchWish[], limits: FetchLimits): Promise<FetchAnswer>;
  /**
   * Joins the group, and stays a member until close(). Resolves once the first join has succeeded.
   */
  join(listener: AssignmentListener): Promise<void>;
  /** Why this process is not a member of the group at present, or null. */
  readonly groupTrouble: string | null;
  /** Commits offsets for monitoring only: the positions in PostgreSQL count (G7). Never throws. */
  commitHint(positions: ReadonlyMap<number, number>): Promise<void>;
  close(deadlineMs: number): Promise<void>;
};
