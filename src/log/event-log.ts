/**
 * The port of the log: records in partitions, ordered and numbered within each. Two adapters keep
 * it, Kafka and embedded (tables in PostgreSQL); one contract suite holds both to these promises:
 *
 * - append: resolves only once every record is durable or refused; the records of one call lie in
 *   their partitions in the order given, at the positions returned. A rejection means "unknown".
 * - one append at a time in each lane: the caller waits for one before it starts the next. What
 *   holds up one lane holds up no other.
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

/**
 * Whether a record is larger than any log, or than this one, takes.
 * @param logMax what this log takes, in bytes, where it is known and less.
 * @param refuse makes the error for that limit.
 */
export function refusalBySize(
  record: AppendRecord,
  logMax: number | null = null,
  refuse?: (bytesMax: number) => OrderonceError,
): OrderonceError | null {
  const bytes = sizeOf(record);
  if (logMax !== null && refuse !== undefined && bytes > logMax) return refuse(logMax);
  if (bytes <= RECORD_BYTES_MAX) return null;
  const message = `A record of ${bytes} bytes is over the limit of ${RECORD_BYTES_MAX}`;
  return new OrderonceError('RECORD_TOO_LARGE', message);
}

function sizeOf({ key, value, headers = [] }: AppendRecord): number {
  const ofHeaders = headers.flat().reduce((sum, part) => sum + (part?.length ?? 0), 0);
  return key.length + (value?.length ?? 0) + ofHeaders;
}

export type LogPosition = { readonly partition: number; readonly offset: number };

/**
 * Where a record lies, or why the log refused it: RECORD_TOO_LARGE, RECORD_REFUSED. A refused
 * record was certainly not appended, and sending it again would be refused again.
 */
export type AppendOutcome = LogPosition | OrderonceError;

export function isRefusal(outcome: AppendOutcome): outcome is OrderonceError {
  return outcome instanceof OrderonceError;
}

/** The positions of records none of which was refused. @throws the first refusal. */
export function positionsOf(outcomes: readonly AppendOutcome[]): LogPosition[] {
  return outcomes.map((outcome) => {
    if (isRefusal(outcome)) throw outcome;
    return outcome;
  });
}

export type LogAppender = {
  readonly topic: string;
  /**
   * How many appends can be under way at once, numbered from 0. It may grow with the topic; never
   * shrinks.
   */
  readonly lanes: number;
  /** The lane of a key. Records of one key lie in the log in the order of their appends. */
  laneOf(key: Buffer): number;
  /** Why an append of this lane does not end, as far as is known, in words; else null. */
  laneTrouble(lane: number): string | null;
  /** Why a record would be refused, as far as that is known beforehand; null: it may be appended. */
  refusalOf(record: AppendRecord): OrderonceError | null;
  /**
   * Appends records of one lane. One call at a time in each lane.
   * @returns an outcome for each record, in the order given. @throws anything for "unknown".
   */
  append(records: readonly AppendRecord[]): Promise<AppendOutcome[]>;
  /**
   * Resolves within about 2 s with what is wrong for a part of the log, in words; empty when all is
   * well. @throws the reason, when the log could take no append at all now.
   */
  check(): Promise<readonly string[]>;
  /** Whether a check that succeeds shows that what made an append fail like this is over. */
  isOverAfterCheck(failure: OrderonceError): boolean;
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
  /** Partitions that were read, whether or not there was anything new. */
  readonly served: readonly number[];
  /** Partitions whose offset lies outside the log; the others' slices are not held back by it. */
  readonly outOfRange: readonly number[];
  /** Partitions that could not be read this time, and why; nor are the others held back by these. */
  readonly failed: ReadonlyMap<number, string>;
  /**
   * Partitions whose next records may not be read yet, since a transaction of another client is
   * open: all that lies behind its first record waits for its end. The offsets, half-open.
   */
  readonly heldBack: ReadonlyMap<number, { readonly from: number; readonly to: number }>;
  /** Other brokers' answers are still to come, by a later call. */
  readonly hasMore: boolean;
};

/** Nothing came, and nothing is wrong. */
export const NOTHING_NEW: FetchAnswer = {
  slices: [],
  served: [],
  outOfRange: [],
  failed: new Map(),
  heldBack: new Map(),
  hasMore: false,
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

/**
 * Where each of these partitions begins and ends.
 * @throws LOG_UNAVAILABLE where one of them cannot tell: for answers that are wrong without it.
 */
export async function boundsOfAll(
  reader: Pick<LogReader, 'bounds'>,
  partitions: readonly number[],
): Promise<Map<number, LogBounds>> {
  const bounds = await reader.bounds(partitions, true);
  const missing = partitions.filter((partition) => !bounds.has(partition));
  if (missing.length === 0) return bounds;
  const message = `The log does not tell where partitions ${missing.join(', ')} begin and end`;
  throw new OrderonceError('LOG_UNAVAILABLE', message);
}

export type LogReader = {
  readonly topic: string;
  /** @throws NOT_MIGRATED when the log does not exist, LOG_UNAVAILABLE when it does not answer. */
  identity(): Promise<LogIdentity>;
  /**
   * @param fresh asks anew who leads a partition: for when something about the log has changed.
   * @returns those that can be told now. @throws LOG_UNAVAILABLE where none can.
   */
  bounds(partitions: readonly number[], fresh?: boolean): Promise<Map<number, LogBounds>>;
  /**
   * Never waits much longer than the limits say, whatever single brokers do.
   * @throws LOG_RECREATED when the log is another than the one named by `topicId`.
   */
  fetch(topicId: string, wishes: readonly FetchWish[], limits: FetchLimits): Promise<FetchAnswer>;
  /** Takes part in the group until close(). Resolves after the first assignment is under way. */
  join(listener: AssignmentListener): Promise<void>;
  /** Why this process takes no part in the group now, or null. */
  readonly groupTrouble: string | null;
  /** A hint for monitoring only: positions are PostgreSQL's (G7). Never throws. */
  commitHint(positions: ReadonlyMap<number, number>): Promise<void>;
  close(deadlineMs: number): Promise<void>;
};
