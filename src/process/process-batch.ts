/**
 * The heart: one transaction per batch. The position moves by compare-and-set, every record ends
 * in exactly one outcome, and both become visible together or not at all.
 *
 * A crash before COMMIT leaves nothing; after it, everything. When the reply to COMMIT is lost,
 * the next attempt meets a moved position and goes on from there.
 */

import { decodeRecords } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { insertGaps } from '../store/log-gaps.ts';
import { isRefusedData } from '../store/sqlstate.ts';
import { inStoringTransaction } from '../store/transaction.ts';
import { isolate } from './isolate.ts';
import {
  type BatchContext,
  type BatchOutcome,
  fence,
  ParkingNeeded,
  placeOf,
  settlePiece,
} from './settle-piece.ts';

/**
 * Makes a slice of one partition take effect, or its first part where PostgreSQL refuses a row.
 *
 * @throws POSITION_MOVED when the position is not at slice.from; any error of PostgreSQL that is
 * not about the rows themselves. After each, nothing of this attempt took effect, unless the
 * connection broke in COMMIT: then the next attempt throws POSITION_MOVED.
 */
export async function processBatch(context: BatchContext, slice: LogSlice): Promise<BatchOutcome> {
  const batch = { slice, ...decodeRecords(slice.records) };
  try {
    return await inStoringTransaction(context.pool, context.limits, async (tx) => {
      const { anyClaims } = await fence(tx, context, slice, slice.next);
      const how = { anyClaims, mayPark: false };
      const outcome = await settlePiece(tx, context, slice, batch, how);
      await insertGaps(tx, placeOf(context, slice), slice.gaps);
      return { ...outcome, next: slice.next };
    });
  } catch (error) {
    if (!isRefusedData(error) && !(error instanceof ParkingNeeded)) throw error;
    return await isolate(context, batch);
  }
}
