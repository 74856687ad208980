/** Where each partition stands: position, log, lag, and what keeps it from going on. */
import type { LogBounds, LogReader } from '../log/event-log.ts';
import type { Pool } from '../store/pool.ts';
import { type ReadTrouble, readTroubles } from '../store/position-troubles.ts';
import { type Position, readPositions } from '../store/positions.ts';
import { checkPositions } from './check.ts';

export type PartitionReport = {
  readonly partition: number;
  readonly log_id: number;
  /** The next offset to process; the log holds [log_start, log_end). */
  readonly position: number;
  readonly log_start: number | null;
  readonly log_end: number | null;
  /**
   * Records still to process; more where retention has passed the position. These three are null
   * where nobody leads the partition now, so that nobody can tell.
   */
  readonly lag: number | null;
  /** The process that works on it; null once it has been handed over. */
  readonly owner: string | null;
  /** When the position moved last. */
  readonly updated_at: string;
  /** `fine`: nothing is known to hold it up. The others as the consumer's health shows them. */
  readonly state: 'fine' | 'retrying' | 'waiting' | 'stopped' | 'unreachable';
  /** Why, from the registry of errors; null where it is fine, and so are the fields below. */
  readonly code: string | null;
  /** In words, where there is one with the command that resolves it. */
  readonly trouble: string | null;
  readonly since: string | null;
  /** Tries that failed since the position moved last. */
  readonly attempts: number | null;
  /** When the consumer said so last; null where it was found out just now. */
  readonly reported_at: string | null;
};

/** Whether somebody or something must do something; waiting ends without. */
export function isHeldUp({ state }: Pick<PartitionReport, 'state'>): boolean {
  return state === 'stopped' || state === 'retrying' || state === 'unreachable';
}

type Trouble = Pick<
  PartitionReport,
  'state' | 'code' | 'trouble' | 'since' | 'attempts' | 'reported_at'
>;

/**
 * Looks for itself: compares positions with the log, as a consumer does before it begins. What
 * only the consumer can know, such as that it retries, is told as it has written it down.
 */
export async function reportPositions(reader: LogReader, pool: Pool): Promise<PartitionReport[]> {
  const { topicId, partitions } = await reader.identity();
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const checked = await checkPositions(reader, pool, topicId, all);
  const byPartition = new Map(checked.map((one) => [one.position.partition, one]));
  const stored = await readTroubles(pool, reader.topic);
  return (await readPositions(pool, reader.topic)).map((read) => {
    const found = byPartition.get(read.partition);
    const { position = read, trouble = null } = found ?? {};
    const told = troubleOf(position, stored.get(position.partition));
    if (trouble === null) return reportOf(position, found?.bounds, told);
    const { code, message } = trouble.error;
    const stopped = { ...told, state: 'stopped', code, trouble: `${code}: ${message}` } as const;
    return reportOf(position, found?.bounds, stopped);
  });
}

/** The same as the consumers have written it down, without reading a record. */
export async function readStanding(reader: LogReader, pool: Pool): Promise<PartitionReport[]> {
  const positions = await readPositions(pool, reader.topic);
  const stored = await readTroubles(pool, reader.topic);
  const bounds = await reader.bounds(positions.map(({ partition }) => partition));
  return positions.map((position) => {
    const { partition } = position;
    return reportOf(position, bounds.get(partition), troubleOf(position, stored.get(partition)));
  });
}

/** What a consumer wrote before the position moved is over: it may have ended before it could say so. */
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

/** @param bounds undefined where nobody can tell them. */
function reportOf(
  position: Position,
  bounds: LogBounds | undefined,
  told: Trouble,
): PartitionReport {
  const { start = null, end = null } = bounds ?? {};
  const trouble = end === null && told.state !== 'stopped' ? unreachable(told) : told;
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

function unreachable(told: Trouble): Trouble {
  const code = 'LOG_UNAVAILABLE';
  const trouble = `${code}: no broker leads the partition now, or its leader does not answer`;
  return { ...told, state: 'unreachable', code, trouble };
}
