/**
 * Checks that the log is still the one in which the position was taken. The consumer does so at
 * every assignment, because a log that was re-created, truncated, or truncated and written again
 * answers fetches as if nothing had happened.
 */
import { type ErrorCode, OrderonceError } from '../errors.ts';
import { recordDigest } from '../log/decoded-record.ts';
import { isUnavailable, type LogBounds, type LogReader } from '../log/event-log.ts';
import { readSlice } from '../log/read-slice.ts';
import type { Pool } from '../store/pool.ts';
import { type Position, readPositions } from '../store/positions.ts';

/** Why a partition must stop until an operator decides: it would skip or repeat records. */
export type PositionTrouble = {
  readonly error: OrderonceError;
  /** The offsets in question: `from` inclusive, `to` exclusive. */
  readonly from: number;
  readonly to: number;
};

/** A position, the bounds of its partition in the log, and what is wrong with it, if anything. */
export type CheckedPosition = {
  readonly position: Position;
  readonly bounds: LogBounds;
  readonly trouble: PositionTrouble | null;
};

/**
 * Reads the positions of these partitions and checks each against the log. Positions are read
 * before the bounds of the log: another process may commit in between, and a newer position must
 * not be compared with an older end of the log. If a check fails, all are repeated once, since the
 * position may have moved during the first check.
 *
 * @returns the partitions that have a position and whose bounds the log can tell now.
 * @throws LOG_UNAVAILABLE
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
    const bound = bounds.get(position.partition);
    if (bound === undefined) continue;
    const trouble = await checkOne(reader, topicId, position, bound);
    if (trouble !== 'unavailable') checked.push({ position, bounds: bound, trouble });
  }
  if (isSecondLook || checked.every(({ trouble }) => trouble === null)) return checked;
  return await checkPositions(reader, pool, topicId, partitions, true);
}

/** A partition whose last record cannot be read now must not hold up the check of the others. */
async function checkOne(
  reader: LogReader,
  topicId: string,
  position: Position,
  bounds: LogBounds,
): Promise<PositionTrouble | null | 'unavailable'> {
  const trouble = checkPosition(position, topicId, bounds);
  if (trouble !== null) return trouble;
  try {
    return await checkLastRecord(reader, topicId, position, bounds);
  } catch (error) {
    if (isUnavailable(error)) return 'unavailable';
    throw error;
  }
}

/**
 * The part of the check that reads no record: the id of the topic, and the bounds of the log.
 * @returns what is wrong with the position, or null.
 */
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

/** @returns why the log cannot be read from this offset, or null if it can. */
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
  // Without a processed record, or when retention has removed it, there is nothing to compare.
  if (lastOffset === null || lastOffset < bounds.start) return null;
  const slice = await readSlice(reader, topicId, { partition, offset: lastOffset });
  const record = slice.records.find(({ offset }) => offset === lastOffset);
  const gap = slice.gaps.find(({ from, to }) => lastOffset >= from && lastOffset < to);
  // Compaction may have removed that record. A gap for another reason (a transaction marker, an
  // aborted record) means that the offset never held the record that was processed.
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
  const message = `${what}. To resume: orderonce positions ${how} --reason WHY`;
  return { error: new OrderonceError(code, message), ...range };
}
