/** Where each partition stands: position, log, lag, and what keeps it from going on. */
import type { LogBounds, LogReader } from '../log/event-log.ts';
import { checkPositions } from '../process/position-check.ts';
import type { Pool } from '../store/pool.ts';
import { readTroubles } from '../store/position-troubles.ts';
import { type Position, readPositions } from '../store/positions.ts';

export type PartitionReport = {
  readonly partition: number;
  readonly log_id: number;
  /** The next offset to process; the log holds [log_start, log_end). */
  readonly position: number;
  readonly log_start: number;
  readonly log_end: number;
  /** Records still to process; more where retention has passed the position. */
  readonly lag: number;
  /** The process that works on it; null once it has been handed over. */
  readonly owner: string | null;
  readonly updated_at: string;
  readonly state: 'fine' | 'waiting' | 'stopped';
  /** With the command that resolves it. */
  readonly trouble: string | null;
};

/** Looks for itself: compares positions with the log, as a consumer does before it begins. */
export async function reportPositions(reader: LogReader, pool: Pool): Promise<PartitionReport[]> {
  const { topicId, partitions } = await reader.identity();
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const checked = await checkPositions(reader, pool, topicId, all);
  return checked.map(({ position, bounds, trouble }) =>
    reportOf(position, bounds, trouble && `${trouble.error.code}: ${trouble.error.message}`),
  );
}

/** The same as the consumers have written it down, without reading a record. */
export async function readStanding(reader: LogReader, pool: Pool): Promise<PartitionReport[]> {
  const positions = await readPositions(pool, reader.topic);
  const troubles = await readTroubles(pool, reader.topic);
  const bounds = await reader.bounds(positions.map(({ partition }) => partition));
  return positions.map((position) => {
    const { partition, nextOffset } = position;
    const trouble = troubles.get(partition);
    const within = bounds.get(partition) ?? { start: 0, end: nextOffset };
    return reportOf(position, within, trouble ? `${trouble.code}: ${trouble.message}` : null);
  });
}

function reportOf(
  position: Position,
  { start, end }: LogBounds,
  trouble: string | null,
): PartitionReport {
  return {
    partition: position.partition,
    log_id: position.logId,
    position: position.nextOffset,
    log_start: start,
    log_end: end,
    lag: Math.max(0, end - position.nextOffset),
    owner: position.owner,
    updated_at: position.updatedAt,
    state: trouble !== null ? 'stopped' : position.waitsFor !== null ? 'waiting' : 'fine',
    trouble,
  };
}
