/** The state of each partition: position, log, lag, and what holds it up. */
import { isUnavailable, type LogBounds, type LogReader } from '../log/event-log.ts';
import type { Pool } from '../store/pool.ts';
import { type ReadTrouble, readTroubles } from '../store/position-troubles.ts';
import { type Position, readPositions } from '../store/positions.ts';
import { checkPositions } from './check.ts';

/** The report of one partition, as `orderonce positions` and GET /positions give it. */
export type PartitionReport = {
  /** Absent if the deployment reads one topic only. */
  readonly topic?: string;
  readonly partition: number;
  readonly log_id: number;
  /** The next offset to process. */
  readonly position: number;
  /** First offset of the log. It, log_end and lag are null while no broker leads the partition. */
  readonly log_start: number | null;
  /** The offset that the next appended record will get. */
  readonly log_end: number | null;
  /** Offsets from the position to log_end. It includes those that retention has removed. */
  readonly lag: number | null;
  /** The process that works on the partition; null after it has handed it over. */
  readonly owner: string | null;
  /** When the position last moved: UTC, as events spell it. */
  readonly updated_at: string;
  /**
   * `fine`: nothing is known to hold it up. `retrying`: the consumer retries a batch that fails.
   * `waiting`: older partitions must first pass the ends they had when this one was added.
   * `stopped`: an operator must decide. `unreachable`: no broker leads it, or its leader does not
   * answer.
   */
  readonly state: 'fine' | 'retrying' | 'waiting' | 'stopped' | 'unreachable';
  /** The error code. This and the fields below are null if nothing holds the partition up. */
  readonly code: string | null;
  /** The message, with the command that resolves the trouble if there is one. */
  readonly trouble: string | null;
  readonly since: string | null;
  /** Failed attempts since the position last moved. */
  readonly attempts: number | null;
  /** When the consumer last reported this; null if it was found by this call. */
  readonly reported_at: string | null;
};

/** The reports of several topics, one after the other. They have the topic if there are several. */
export async function reportsOf(
  readers: readonly LogReader[],
  report: (reader: LogReader) => Promise<PartitionReport[]>,
): Promise<PartitionReport[]> {
  const all = await Promise.all(
    readers.map(async (reader) => {
      const reports = await report(reader);
      if (readers.length === 1) return reports;
      return reports.map((one) => ({ topic: reader.topic, ...one }));
    }),
  );
  return all.flat();
}

/** Whether somebody must act or something must recover. A `waiting` partition needs neither. */
export function isHeldUp({ state }: Pick<PartitionReport, 'state'>): boolean {
  return state === 'stopped' || state === 'retrying' || state === 'unreachable';
}

type Trouble = Pick<
  PartitionReport,
  'state' | 'code' | 'trouble' | 'since' | 'attempts' | 'reported_at'
>;

/**
 * Compares the positions with the log, as a consumer does at an assignment. What only a consumer
 * can know, such as that it retries a batch, is taken from what it has stored in PostgreSQL. While
 * the log does not answer at all, every partition is `unreachable`, with the reason.
 */
export async function reportPositions(reader: LogReader, pool: Pool): Promise<PartitionReport[]> {
  const [checked, why] = await unlessUnavailable([], async () => {
    const { topicId, partitions } = await reader.identity();
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    return await checkPositions(reader, pool, topicId, all);
  });
  const byPartition = new Map(checked.map((one) => [one.position.partition, one]));
  const stored = await readTroubles(pool, reader.topic);
  return (await readPositions(pool, reader.topic)).map((read) => {
    const found = byPartition.get(read.partition);
    const { position = read, trouble = null } = found ?? {};
    const told = troubleOf(position, stored.get(position.partition));
    if (trouble === null) return reportOf(position, found?.bounds, told, why);
    const { code, message } = trouble.error;
    const stopped = { ...told, state: 'stopped', code, trouble: `${code}: ${message}` } as const;
    return reportOf(position, found?.bounds, stopped, why);
  });
}

/**
 * The same report from what the consumers have stored in PostgreSQL and from the bounds of the
 * log. It reads no record, so it is cheap enough to be called often.
 */
export async function readReports(reader: LogReader, pool: Pool): Promise<PartitionReport[]> {
  const positions = await readPositions(pool, reader.topic);
  const stored = await readTroubles(pool, reader.topic);
  const [bounds, why] = await unlessUnavailable(new Map<number, LogBounds>(), () =>
    reader.bounds(positions.map(({ partition }) => partition)),
  );
  return positions.map((position) => {
    const { partition } = position;
    const told = troubleOf(position, stored.get(partition));
    return reportOf(position, bounds.get(partition), told, why);
  });
}

const NO_LEADER = 'no broker leads the partition now, or its leader does not answer';

/** @returns what the log says, or `otherwise` and why the log does not answer. */
async function unlessUnavailable<T>(
  otherwise: T,
  ask: () => Promise<T>,
): Promise<readonly [answer: T, why: string]> {
  try {
    return [await ask(), NO_LEADER];
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    return [otherwise, error.message];
  }
}

/**
 * A stored trouble counts only if the position has not moved since; a stopped one always counts.
 * A consumer may have ended before it could delete a trouble that was over.
 */
function troubleOf({ nextOffset, waitsFor }: Position, stored: ReadTrouble | undefined): Trouble {
  if (stored === undefined || (stored.state !== 'stopped' && stored.from !== nextOffset)) {
    const state = waitsFor === null ? 'fine' : 'waiting';
    return { state, code: null, trouble: null, since: null, attempts: null, reported_at: null };
  }
  const { state, code, message, since, attempts, seenAt } = stored;
  return {
    state,
    code,
    trouble: `${code}: ${message}`,
    since,
    attempts,
    reported_at: seenAt,
  };
}

/** @param bounds undefined if the log cannot tell them now, because of `why`. */
function reportOf(
  position: Position,
  bounds: LogBounds | undefined,
  told: Trouble,
  why: string,
): PartitionReport {
  const { start = null, end = null } = bounds ?? {};
  const trouble = end === null && told.state !== 'stopped' ? unreachable(told, why) : told;
  return {
    partition: position.partition,
    log_id: position.logId,
    position: position.nextOffset,
    log_start: start,
    log_end: end,
    lag: end === null ? null : Math.max(0, end - position.nextOffset),
    owner: position.owner,
    updated_at: position.updatedAt,
    ...trouble,
  };
}

function unreachable(told: Trouble, why: string): Trouble {
  const code = 'LOG_UNAVAILABLE';
  return { ...told, state: 'unreachable', code, trouble: `${code}: ${why}` };
}
