/**
 * Transactions that may have to park: of a batch that is taken apart, of one event on its own, or of
 * one that is parked without being run. Each moves the position as far as it settled.
 */
import { OrderonceError } from '../errors.ts';
import type { EventRecord } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { lockHeldOrders } from '../store/held-orders.ts';
import { insertGaps } from '../store/log-gaps.ts';
import type { Transaction } from '../store/pool.ts';
import { findDoubleClaim, lockOrders } from '../store/processed-events.ts';
import { checkDeferredConstraints, inTransaction, lockParking } from '../store/transaction.ts';
import { blaming, mayBlameBatch } from './blame.ts';
import { type Batch, Isolation, type Item, type Verdict } from './isolation.ts';
import {
  type BatchContext,
  type BatchOutcome,
  fence,
  type HeldEvent,
  logPartitionOf,
  settlePiece,
} from './settle-piece.ts';

/** Settles the longest prefix of the batch that can be settled now, and commits it. */
export async function isolate(context: BatchContext, batch: Batch): Promise<BatchOutcome> {
  return await inParkingTransaction(context, batch, (isolation) => isolation.run(itemsOf(batch)));
}

/** Settles a batch that may have to park, as a whole. @throws whatever failed. */
export async function settleParking(context: BatchContext, batch: Batch): Promise<BatchOutcome> {
  return await inParkingTransaction(context, batch, async (isolation) => {
    await isolation.settle(itemsOf(batch));
    return { next: batch.slice.next };
  });
}

/**
 * Parks the one event of a batch without running its handlers. If its id is taken already, no
 * handler would run either: it is settled as usual.
 */
export async function parkUnrun(
  context: BatchContext,
  batch: Batch,
  verdict: Verdict,
): Promise<BatchOutcome> {
  return await inParkingTransaction(context, batch, async (isolation) => {
    const [event] = batch.events;
    if (event === undefined || !(await isolation.parkUnrun(event, verdict))) {
      await isolation.settle(itemsOf(batch));
    }
    return { next: batch.slice.next };
  });
}

/** Whether these events of a batch would take effect now: tried, and always rolled back. */
export async function wouldSucceed(
  context: BatchContext,
  slice: LogSlice,
  events: readonly EventRecord[],
): Promise<boolean> {
  const undone = new Error('Rolled back: it was only tried');
  let stored = 0;
  try {
    await blaming((passedFence) =>
      inTransaction(context.pool, context.limits, async (tx) => {
        await fence(tx, context, [{ slice, to: slice.from }]);
        passedFence();
        const manner = { order: 'log', anyClaims: true, mayPark: true } as const;
        ({ stored } = await settlePiece(tx, context, { events, invalid: [] }, manner));
        await checkDeferredConstraints(tx);
        throw undone;
      }),
    );
    return false;
  } catch (error) {
    if (error === undone) return stored > 0;
    if (mayBlameBatch(error)) return false;
    throw error;
  }
}

/** In log order. */
function itemsOf(batch: Batch): Item[] {
  const items = [...batch.events, ...batch.invalid];
  return items.sort((a, b) => a.record.offset - b.record.offset);
}

async function inParkingTransaction(
  context: BatchContext,
  { slice, events }: Batch,
  work: (isolation: Isolation) => Promise<{ next: number; held?: HeldEvent }>,
): Promise<BatchOutcome> {
  return await blaming((passedFence) =>
    inTransaction(context.pool, context.limits, async (tx) => {
      // Locks the position; how far it moves is not known yet.
      await fence(tx, context, [{ slice, to: slice.from }]);
      passedFence();
      // In order, so that transactions which take batches apart piece by piece do not deadlock with
      // one another, nor with a redrive: held rows first, then orders.
      const orderIds = [...new Set(events.map(({ event }) => event.orderId))];
      await lockHeldOrders(tx, orderIds);
      if (!context.withoutOrders) await lockOrders(tx, orderIds);
      const isolation = new Isolation(tx, context, slice);
      const end = await work(isolation);
      await fence(tx, context, [{ slice, to: end.next }]);
      await insertGaps(tx, logPartitionOf(context, slice), splitSlice(slice, end.next).head.gaps);
      await assertClaimsHold(tx, events);
      return { ...isolation.settled, ...end };
    }),
  );
}

/** An id may have been stored elsewhere while it was parked here, or the other way round (G4). */
async function assertClaimsHold(tx: Transaction, events: readonly EventRecord[]): Promise<void> {
  await lockParking(tx);
  const ids = events.map(({ event }) => event.eventId);
  const doubled = await findDoubleClaim(tx, ids);
  if (doubled === null) return;
  const message = `Event ${doubled} was taken by another partition meanwhile; the batch is tried again`;
  throw new OrderonceError('CLAIM_RACE', message);
}
