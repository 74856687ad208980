/**
 * Is the log still the one that the position was taken in? Asked at every assignment, since a log
 * that was re-created, cut, or cut and grown again answers fetches as if nothing had happened.
 */
import { OrderonceError } from '../errors.ts';
import { recordDigest } from '../log/decoded-record.ts';
import type { LogBounds, LogReader, LogRecord } from '../log/event-log.ts';
import type { Position } from '../store/positions.ts';

/** @returns what is wrong with the position, or null. Pure: see checkLastRecord for the rest. */
export function checkPosition(
  position: Position,
  logId: number,
  bounds: LogBounds,
): OrderonceError | null {
  const { partition, nextOffset } = position;
  const { start, end } = bounds;
  if (position.logId !== logId) {
    return new OrderonceError(
      'LOG_RECREATED',
      `Partition ${partition}: the position belongs to log ${position.logId}, the topic is log ${logId} now`,
    );
  }
  if (nextOffset < start) {
    return new OrderonceError(
      'POSITION_BEFORE_LOG_START',
      `Partition ${partition}: retention removed offsets ${nextOffset} to ${start - 1} unprocessed`,
    );
  }
  if (nextOffset > end) {
    return new OrderonceError(
      'POSITION_PAST_LOG_END',
      `Partition ${partition}: the log ends at ${end}, before the position ${nextOffset}`,
    );
  }
  return null;
}

/** Reads the record before the position again and compares it with what was processed there. */
export async function checkLastRecord(
  reader: LogReader,
  topicId: string,
  position: Position,
  bounds: LogBounds,
): Promise<OrderonceError | null> {
  const { partition, lastOffset, lastDigest } = position;
  // Nothing processed yet, or retention has removed the record: nothing to compare with.
  if (lastOffset === null || lastOffset < bounds.start) return null;
  const record = await recordAt(reader, topicId, partition, lastOffset);
  // Compaction may have removed that very record; an offset is never given to another one by it.
  if (record === null || record.offset !== lastOffset) return null;
  if (recordDigest(record) === lastDigest) return null;
  return new OrderonceError(
    'LOG_REWRITTEN',
    `Partition ${partition}: the record at offset ${lastOffset} is not the one processed there`,
  );
}

async function recordAt(
  reader: LogReader,
  topicId: string,
  partition: number,
  offset: number,
): Promise<LogRecord | null> {
  const limits = { waitMs: 500, bytesPerPartition: 1 << 16 };
  // Answers to earlier questions may come first; a log that has the record answers soon.
  for (let attempt = 0; attempt < 20; attempt++) {
    const { slices } = await reader.fetch(topicId, [{ partition, offset }], limits);
    const slice = slices.find((s) => s.partition === partition && s.from === offset);
    if (slice !== undefined) return slice.records[0] ?? null;
  }
  throw new OrderonceError('LOG_UNAVAILABLE', `Offset ${offset} of ${partition} cannot be read`);
}
