/**
 * Is the log still the one that the position was taken in? Asked at every assignment, since a log
 * that was re-created, cut, or cut and grown again answers fetches as if nothing had happened.
 */
import { type ErrorCode, OrderonceError } from '../errors.ts';
import { recordDigest } from '../log/decoded-record.ts';
import type { LogBounds, LogReader } from '../log/event-log.ts';
import { readSlice } from '../log/read-slice.ts';
import type { Pool } from '../store/pool.ts';
import { type Position, readPositions } from '../store/positions.ts';

/** Why a partition must not go on by itself: it would skip or repeat something. */
export type PositionTrouble = {
  readonly error: OrderonceError;
  /** The offsets in question, half-open. */
  readonly from: number;
  readonly to: number;
};

export type CheckedPosition = {
  readonly position: Position;
  readonly bounds: LogBounds;
  readonly trouble: PositionTrouble | null;
};

/**
 * The positions of these partitions, and what is wrong with them. Positions are read before the
 * log's bounds: another process may still commit, and its position must not seem to lie past an
 * end that was read earlier. What still looks wrong is looked at once more.
 *
 * @returns those of the partitions that have a position and that the log can tell about now.
 */
export async function checkPositions(
  reader: LogReader,
  pool: Pool,
  topicId: string,
  partitions: readonly number[],
  isSecondLook = false,
): Promise<CheckedPosition[]> {
  const all = await readPositions(pool, reader.topic);
  const bounds = await reader.bounds(partitions, true);
  const checked: CheckedPosition[] = [];
  for (const position of all.filter(({ partition }) => partitions.includes(partition))) {
    const within = bounds.get(position.partition);
    if (within === undefined) continue;
    const trouble =
      checkPosition(position, topicId, within) ??
      (await checkLastRecord(reader, topicId, position, within));
    checked.push({ position, bounds: within, trouble });
  }
  if (isSecondLook || checked.every(({ trouble }) => trouble === null)) return checked;
  return await checkPositions(reader, pool, topicId, partitions, true);
}

/** @returns what is wrong with the position, or null. Pure: see checkLastRecord for the rest. */
export function checkPosition(
  position: Position,
  topicId: string,
  { start, end }: LogBounds,
): PositionTrouble | null {
  const { partition, nextOffset } = position;
  if (position.topicId !== topicId) {
    const what = `Partition ${partition}: the topic was deleted and re-created; the position belongs to the old one`;
    const how = 'accept-new-log';
    return troubleOf('LOG_RECREATED', what, how, { from: nextOffset, to: nextOffset });
  }
  return checkOffset(partition, nextOffset, { start, end });
}

/** Whether the log reaches an offset that is to be read. */
export function checkOffset(
  partition: number,
  offset: number,
  { start, end }: LogBounds,
): PositionTrouble | null {
  if (offset < start) {
    const what = `Partition ${partition}: retention removed offsets ${offset} to ${start - 1} unprocessed`;
    const how = `accept-gap ${partition}`;
    return troubleOf('POSITION_BEFORE_LOG_START', what, how, { from: offset, to: start });
  }
  if (offset > end) {
    const what = `Partition ${partition}: the log ends at ${end}, before the position ${offset}`;
    const how = `accept-cut ${partition}`;
    return troubleOf('POSITION_PAST_LOG_END', what, how, { from: end, to: offset });
  }
  return null;
}

/** Reads the record before the position again and compares it with what was processed there. */
async function checkLastRecord(
  reader: LogReader,
  topicId: string,
  position: Position,
  bounds: LogBounds,
): Promise<PositionTrouble | null> {
  const { partition, lastOffset, lastDigest, nextOffset } = position;
  // Nothing processed yet, or retention has removed the record: nothing to compare with.
  if (lastOffset === null || lastOffset < bounds.start) return null;
  const slice = await readSlice(reader, topicId, { partition, offset: lastOffset });
  const record = slice.records.find(({ offset }) => offset === lastOffset);
  const gap = slice.gaps.find(({ from, to }) => lastOffset >= from && lastOffset < to);
  // Compaction may have removed that very record. A marker or an aborted record was never one.
  if (record === undefined && gap?.reason === 'compacted') return null;
  if (record !== undefined && recordDigest(record) === lastDigest) return null;
  const what = `Partition ${partition}: the record at offset ${lastOffset} is not the one processed there`;
  const range = { from: lastOffset, to: nextOffset };
  return troubleOf('LOG_REWRITTEN', what, `accept-cut ${partition}`, range);
}

function troubleOf(
  code: ErrorCode,
  what: string,
  how: string,
  range: { readonly from: number; readonly to: number },
): PositionTrouble {
  const message = `${what}. To go on: orderonce positions ${how} --reason WHY`;
  return { error: new OrderonceError(code, message), ...range };
}
