/**
 * The heart: one transaction per batch, of one partition or of several. Positions move by
 * compare-and-set, every record ends in exactly one outcome, handlers run over what was stored, and
 * all of it becomes visible together or not at all.
 *
 * A crash before COMMIT leaves nothing; after it, everything. When the reply to COMMIT is lost,
 * the next attempt meets a moved position and goes on from there.
 */
import { faultOf } from '../handlers/run-handlers.ts';
import { decodeRecords } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { insertGaps } from '../store/log-gaps.ts';
import { inStoringTransaction } from '../store/transaction.ts';
import { blaming } from './blame.ts';
import { type KnownSuspect, processFirst, type WitnessRules } from './first-event.ts';
import { isolate } from './isolate.ts';
import type { Batch } from './isolation.ts';
import {
  type BatchContext,
  type BatchOutcome,
  fence,
  logPartitionOf,
  ParkingNeeded,
  type Settled,
  settlePiece,
} from './settle-piece.ts';

/**
 * Makes a slice of one partition take effect, or its first part where a row is refused.
 *
 * @throws POSITION_MOVED when the position is not at slice.from; any error that is not about the
 * rows themselves. After each, nothing of this attempt took effect, unless the connection broke in
 * COMMIT: then the next attempt throws POSITION_MOVED.
 */
export async function processBatch(context: BatchContext, slice: LogSlice): Promise<BatchOutcome> {
  const batch = { slice, ...decodeRecords(slice.records) };
  return noted(context, await settleOrIsolate(context, batch));
}

/**
 * The same for the first record of a slice alone, which failed before or may have: what lies behind
 * it only shows whether others succeed. See first-event.ts.
 */
export async function processSuspect(
  context: BatchContext,
  slice: LogSlice,
  known: KnownSuspect | null,
  rules?: WitnessRules,
): Promise<BatchOutcome> {
  return noted(context, await processFirst(context, slice, known, rules));
}

function noted(context: BatchContext, outcome: BatchOutcome): BatchOutcome {
  const parked = outcome.deadLetters.filter(({ state, event }) => event && state === 'parked');
  context.parkGuard.note(parked.length, outcome.stored);
  return outcome;
}

/**
 * Makes whole slices of several partitions take effect in one transaction: a small one costs hardly
 * more than a smaller one.
 *
 * @throws whatever failed, also where a row is refused or an event would have to wait: then each
 * slice is to be processed by itself. Nothing of this attempt took effect, but see processBatch.
 */
export async function processTogether(
  context: BatchContext,
  slices: readonly LogSlice[],
): Promise<Settled> {
  const batches = slices.map((slice) => ({ slice, ...decodeRecords(slice.records) }));
  const settled = await settleWhole(context, batches);
  context.parkGuard.note(0, settled.stored);
  return settled;
}

async function settleOrIsolate(context: BatchContext, batch: Batch): Promise<BatchOutcome> {
  try {
    return { ...(await settleWhole(context, [batch])), next: batch.slice.next };
  } catch (error) {
    if (faultOf(error) === 'outage' && !(error instanceof ParkingNeeded)) throw error;
    return await isolate(context, batch);
  }
}

async function settleWhole(context: BatchContext, batches: readonly Batch[]): Promise<Settled> {
  return await blaming((passedFence) =>
    inStoringTransaction(context.pool, context.limits, async (tx) => {
      const advances = batches.map(({ slice }) => ({ slice, to: slice.next }));
      const { anyClaims } = await fence(tx, context, advances);
      passedFence();
      const piece = {
        events: batches.flatMap(({ events }) => events),
        invalid: batches.flatMap(({ invalid }) => invalid),
      };
      const settled = await settlePiece(tx, context, piece, {
        order: 'log',
        anyClaims,
        mayPark: false,
      });
      for (const { slice } of batches)
        await insertGaps(tx, logPartitionOf(context, slice), slice.gaps);
      return settled;
    }),
  );
}
