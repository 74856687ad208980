/**
 * The transactions that may park events: one that isolates the refused events of a batch, one that
 * settles a batch as a whole, and one that parks an event without running its handlers. Each moves
 * the position as far as it has settled the batch.
 */
import { OrderonceError } from '../errors.ts';
import type { EventRecord } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { lockHeldOrders } from '../store/held-orders.ts';
import { insertGaps } from '../store/log-gaps.ts';
import type { LogPlace } from '../store/log-place.ts';
import { findDoubleClaim } from '../store/processed-events.ts';
import type { Transaction } from '../store/queryable.ts';
import { checkDeferredConstraints, inTransaction, lockParking } from '../store/transaction.ts';
import { inPhase } from '../tracing/tracing.ts';
import { type BatchContext, type BatchOutcome, type HeldEvent, logPartitionOf } from './batch.ts';
import { blaming, mayBlameBatch } from './blame.ts';
import { fence } from './fence.ts';
import { type Batch, Isolation, type Item, type Verdict } from './isolation.ts';
import { settleRecords } from './settle-records.ts';

/**
 * Settles the longest prefix of the batch that can be settled now, parking refused events in it,
 * and commits it.
 * @throws ALL_REFUSED, HANDLERS_REFUSE_TOO_MUCH, CLAIM_RACE, POSITION_MOVED, or an outage.
 */
export async function isolate(context: BatchContext, batch: Batch): Promise<BatchOutcome> {
  return await inParkingTransaction(context, batch, (isolation) => isolation.run(itemsOf(batch)));
}

/**
 * Settles a batch as a whole. Later events of a held order wait; no new event is parked for being
 * refused.
 * @throws whatever failed. Nothing has taken effect then.
 */
export async function settleParking(context: BatchContext, batch: Batch): Promise<BatchOutcome> {
  return await inParkingTransaction(context, batch, async (isolation) => {
    await isolation.settle(itemsOf(batch));
    return { next: batch.slice.next };
  });
}

/**
 * Parks the only event of a batch without running its handlers. If its id is already taken or its
 * order is held, it is settled as usual: then no handler runs for it either.
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

/** Tries these events and always rolls them back. @returns whether one would have been stored. */
export async function wouldSucceed(
  context: BatchContext,
  slice: LogSlice,
  events: readonly EventRecord[],
): Promise<boolean> {
  const undone = new Error('Rolled back: the events were only tried');
  let stored = 0;
  try {
    await blaming((passedFence) =>
      inTransaction(context.pool, context.limits, async (tx) => {
        await fence(tx, context, [{ slice, to: slice.from }]);
        passedFence();
        const mode = { kind: 'batch', anyClaims: true, mayPark: true } as const;
        ({ stored } = await settleRecords(tx, context, { events, invalid: [] }, mode));
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

/** The records of the batch in log order. */
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
      // Locks the position without moving it: how far it may move is not known yet.
      await inPhase('fence', () => fence(tx, context, [{ slice, to: slice.from }]));
      passedFence();
      // This transaction inserts in several steps, so its locks would not come in key order. It
      // takes them all now, first those of held_orders, then those of orders. That way it cannot
      // deadlock with another of its kind or with a redrive.
      const orderIds = [...new Set(events.map(({ event }) => event.orderId))];
      await lockHeldOrders(tx, orderIds);
      await context.projection?.lock(tx, orderIds);
      const isolation = new Isolation(tx, context, slice);
      const end = await inPhase('settle', () => work(isolation));
      await fence(tx, context, [{ slice, to: end.next }]);
      await insertGaps(tx, logPartitionOf(context, slice), splitSlice(slice, end.next).head.gaps);
      const from = { ...logPartitionOf(context, slice), offset: slice.from };
      await assertClaimsHold(tx, events, from);
      return { ...isolation.settled, ...end };
    }),
  );
}

/**
 * Two partitions may have the same event id: one may have stored it while this transaction parked
 * it, or the other way round, or both may have parked it. The primary key does not prevent that,
 * because a dead letter has no row in processed_events (G4). The lock and this check do.
 */
async function assertClaimsHold(
  tx: Transaction,
  events: readonly EventRecord[],
  from: LogPlace,
): Promise<void> {
  await lockParking(tx);
  const ids = events.map(({ event }) => event.eventId);
  const doubled = await findDoubleClaim(tx, ids, from);
  if (doubled === null) return;
  const message = `Another partition has taken the event id ${doubled} in the meantime. The batch is retried`;
  throw new OrderonceError('CLAIM_RACE', message);
}
