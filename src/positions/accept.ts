/**
 * The decisions that an operator can make about a stopped partition. A partition stops when
 * processing further would skip records or process other records under the same offsets.
 *
 * Each decision is one transaction. It applies only if the position is still the one for which
 * the trouble was found. It stores who decided and why, and changes no outcome of any record.
 */

import { type ErrorCode, OrderonceError } from '../errors.ts';
import type { RecordRules } from '../log/decode-hook.ts';
import type { LogReader } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { readSlice } from '../log/read-slice.ts';
import { insertAcceptedGap } from '../store/log-gaps.ts';
import type { LogPartition } from '../store/log-place.ts';
import { insertGeneration, logIdOf } from '../store/logs.ts';
import type { Pool } from '../store/pool.ts';
import {
  closePosition,
  forgetWaitsFor,
  openPosition,
  type PositionPlace,
  skipTo,
} from '../store/position-decisions.ts';
import { clearTroubles } from '../store/position-troubles.ts';
import { type Position, readGenerations, readPositions } from '../store/positions.ts';
import type { Transaction } from '../store/queryable.ts';
import { inTransaction } from '../store/transaction.ts';
import { compareSlice } from '../verify/compare-slice.ts';
import { boundsOfAll, onceAvailable } from '../verify/patient-reads.ts';
import { type CheckedPosition, checkPositions } from './check.ts';

/** What each decision needs, and who makes it. */
export type AcceptContext = {
  readonly reader: LogReader;
  readonly pool: Pool;
  /** What is an event in this deployment. */
  readonly rules: RecordRules;
  /** Who decides; stored with the decision. */
  readonly actor: string;
  /** Why, in the operator's words; stored with the decision. */
  readonly reason: string;
};

/** How many offsets are compared at a time when the end of the unchanged prefix is searched. */
const WINDOW = 500;
const LIMITS = { lockMs: 10_000, statementMs: 30_000, idleMs: 30_000 };

/**
 * Gives up the offsets that retention removed before they were processed. They are recorded in
 * log_gaps, and the partition resumes at the first offset that the log still holds.
 * @returns the offsets that were given up: `from` inclusive, `to` exclusive.
 * @throws POSITION_NOT_IN_TROUBLE if retention has not passed this position; LOG_UNAVAILABLE
 */
export async function acceptGap(
  context: AcceptContext,
  partition: number,
): Promise<{ from: number; to: number }> {
  const { reader, pool, actor, reason } = context;
  const { place, trouble } = await findTrouble(context, partition, ['POSITION_BEFORE_LOG_START']);
  const gap = { from: trouble.from, to: trouble.to };
  await inTransaction(pool, LIMITS, async (tx) => {
    assertMoved(await skipTo(tx, place, gap.to), partition);
    await insertAcceptedGap(tx, place, gap, `${actor}: ${reason}`);
    await clearTroubles(tx, reader.topic, [partition]);
  });
  return gap;
}

/**
 * Resumes in a log that was truncated before the position. The partition resumes at the first
 * offset whose record differs from the one that was processed there. From that offset on, the log
 * gets a new log_id, because the same offsets now hold other records. Events that had taken effect
 * become duplicates.
 * @returns the offset at which the partition resumes, and the new log_id.
 * @throws POSITION_NOT_IN_TROUBLE if the log was not truncated before this position;
 * LOG_UNAVAILABLE
 */
export async function acceptCut(
  context: AcceptContext,
  partition: number,
): Promise<{ at: number; logId: number }> {
  const { reader, pool } = context;
  const codes = ['POSITION_PAST_LOG_END', 'LOG_REWRITTEN'] as const;
  const { place, position, topicId, bounds } = await findTrouble(context, partition, codes);
  const at = await findCut(context, topicId, position, bounds);
  return await inTransaction(pool, LIMITS, async (tx) => {
    const logId = await insertGeneration(tx, { topic: reader.topic, topicId });
    await reopen(tx, context, place, { logId, start: at });
    return { at, logId };
  });
}

/**
 * Resumes at the start of a topic that was deleted and re-created. Positions of partitions that
 * the new topic does not have are closed.
 * @returns how many positions belonged to the old topic.
 * @throws POSITION_NOT_IN_TROUBLE if no position belongs to an old topic; LOG_UNAVAILABLE
 */
export async function acceptNewLog(context: AcceptContext): Promise<{ partitions: number }> {
  const { reader, pool } = context;
  const identity = await onceAvailable(() => reader.identity());
  const all = Array.from({ length: identity.partitions }, (_, partition) => partition);
  const bounds = await boundsOfAll(reader, all);
  const logId = await logIdOf(pool, identity);
  const old = (await readPositions(pool, reader.topic)).filter(
    ({ topicId }) => topicId !== identity.topicId,
  );
  if (old.length === 0) throw notInTrouble('All positions belong to the current topic');
  await inTransaction(pool, LIMITS, async (tx) => {
    for (const position of old) {
      const place = { ...position, topic: reader.topic };
      const start = bounds.get(position.partition)?.start;
      await reopen(tx, context, place, start === undefined ? null : { logId, start });
    }
  });
  return { partitions: old.length };
}

/** @param next where the partition resumes; null if it no longer exists. */
async function reopen(
  tx: Transaction,
  { reader, actor, reason }: AcceptContext,
  place: PositionPlace,
  next: { readonly logId: number; readonly start: number } | null,
): Promise<void> {
  assertMoved(await closePosition(tx, place, { actor, reason }), place.partition);
  if (next !== null) await openPosition(tx, reader.topic, place.partition, next);
  await forgetWaitsFor(tx, reader.topic, place.partition);
  await clearTroubles(tx, reader.topic, [place.partition]);
}

async function findTrouble(
  { reader, pool }: AcceptContext,
  partition: number,
  codes: readonly ErrorCode[],
) {
  const { topicId } = await onceAvailable(() => reader.identity());
  const positions = await readPositions(pool, reader.topic);
  if (!positions.some((position) => position.partition === partition)) {
    throw notInTrouble(`Partition ${partition} has no position`);
  }
  const { trouble, position, bounds } = await onceAvailable(async () => {
    const [checked] = await checkPositions(reader, pool, topicId, [partition]);
    if (checked !== undefined) return checked;
    const message = `No broker leads partition ${partition} now. Try again later`;
    throw new OrderonceError('LOG_UNAVAILABLE', message);
  });
  if (trouble === null) throw notInTrouble(`Partition ${partition} has no trouble`);
  if (!codes.includes(trouble.error.code)) {
    throw notInTrouble(`Partition ${partition} has another trouble: ${trouble.error.message}`);
  }
  return { trouble, topicId, bounds, position, place: { ...position, topic: reader.topic } };
}

/**
 * Finds the first offset at which the log differs from what was processed. Truncation keeps a
 * prefix of the log. So the search moves back, window by window, until a window holds only records
 * that were processed; the cut is the first difference after that window. A window without records
 * proves nothing, because its gaps would be the same in both logs.
 */
async function findCut(
  context: AcceptContext,
  topicId: string,
  position: Position,
  { start, end }: CheckedPosition['bounds'],
): Promise<number> {
  const { reader, pool } = context;
  const generations = await readGenerations(pool, reader.topic, position);
  let cut = Math.min(end, position.nextOffset);
  for (const { logId, from: first, to: last } of generations.toReversed()) {
    const bottom = Math.max(start, first);
    for (let to = Math.min(last, cut); to > bottom; to -= WINDOW) {
      const from = Math.max(bottom, to - WINDOW);
      const place = { logId, partition: position.partition };
      const { difference, records } = await compareWindow(context, topicId, place, { from, to });
      if (difference === null && records > 0) return cut;
      cut = difference ?? cut;
    }
  }
  return cut;
}

async function compareWindow(
  { reader, pool, rules }: AcceptContext,
  topicId: string,
  place: LogPartition,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<{ difference: number | null; records: number }> {
  let records = 0;
  for (let offset = from; offset < to; ) {
    const wish = { partition: place.partition, offset };
    const whole = await onceAvailable(() => readSlice(reader, topicId, wish));
    const { head } = splitSlice(whole, Math.min(whole.next, to));
    const [first] = await compareSlice(pool, place, head, { rules, topic: reader.topic });
    if (first !== undefined) return { difference: first.offset, records };
    records += head.records.length;
    offset = head.next;
  }
  return { difference: null, records };
}

function assertMoved(hasMoved: boolean, partition: number): void {
  if (!hasMoved)
    throw notInTrouble(
      `Partition ${partition} has moved in the meantime. See "orderonce positions"`,
    );
}

function notInTrouble(message: string): OrderonceError {
  return new OrderonceError('POSITION_NOT_IN_TROUBLE', message);
}
