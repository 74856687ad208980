/** Where each partition stands: position, log, lag, and what keeps it from going on. */
import type { LogReader } from '../log/event-log.ts';
import { checkPositions } from '../process/position-check.ts';
import type { Pool } from '../store/pool.ts';

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

export async function reportPositions(reader: LogReader, pool: Pool): Promise<PartitionReport[]> {
  const { topicId, partitions } = await reader.identity();
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const checked = await checkPositions(reader, pool, topicId, all);
  return checked.map(({ position, bounds, trouble }) => ({
    partition: position.partition,
    log_id: position.logId,
    position: position.nextOffset,
    log_start: bounds.start,
    log_end: bounds.end,
    lag: Math.max(0, bounds.end - position.nextOffset),
    owner: position.owner,
    updated_at: position.updatedAt.toISOString(),
    state: trouble !== null ? 'stopped' : position.waitsFor !== null ? 'waiting' : 'fine',
    trouble: trouble === null ? null : `${trouble.error.code}: ${trouble.error.message}`,
  }));
}
