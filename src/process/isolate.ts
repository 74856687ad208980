/**
 * Poison: PostgreSQL refused a row of the batch. The batch is taken apart with savepoints, halves
 * in log order, until each guilty event stands alone; it is parked, later events of its order wait
 * behind it, and all others take effect. A batch of n with one guilty event costs about 2·log2 n
 * attempts.
 *
 * A transaction uses at most SAVEPOINTS_MAX subtransactions: past 64, PostgreSQL's per-session
 * cache of them overflows and every reader pays (manual, section 67.3). What is settled by then is
 * committed with its position, and the rest comes as the next batch.
 */

import { OrderonceError, reasonOf } from '../errors.ts';
import type { DecodedBatch, EventRecord, InvalidRecord } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { type DeadLetter, insertDeadLetters } from '../store/dead-letters.ts';
import { holdOrder } from '../store/held-orders.ts';
import { insertGaps } from '../store/log-gaps.ts';
import type { Transaction } from '../store/pool.ts';
import { findDoubleClaim, lockOrders } from '../store/processed-events.ts';
import { isRefusedData, sqlStateOf } from '../store/sqlstate.ts';
import { inTransaction, lockParking } from '../store/transaction.ts';
import { splitSlice } from './partition-buffer.ts';
import {
  type BatchContext,
  type BatchOutcome,
  fence,
  type Piece,
  placeOf,
  settlePiece,
} from './settle-piece.ts';

export const SAVEPOINTS_MAX = 50;

type Batch = DecodedBatch & { readonly slice: LogSlice };
type Settled = Omit<BatchOutcome, 'next'>;

/** Settles the longest prefix of the batch that SAVEPOINTS_MAX attempts allow, and commits it. */
export async function isolate(context: BatchContext, batch: Batch): Promise<BatchOutcome> {
  const { slice } = batch;
  return await inTransaction(context.pool, context.limits, async (tx) => {
    // Locks the position; how far it moves is not known yet.
    await fence(tx, context, slice, slice.from);
    // In order, so that transactions which take batches apart piece by piece do not deadlock.
    await lockOrders(tx, [...new Set(batch.events.map(({ event }) => event.orderId))]);
    const { settled, next } = await settlePrefix(tx, context, batch);
    await fence(tx, context, slice, next);
    await insertGaps(tx, placeOf(context, slice), splitSlice(slice, next).head.gaps);
    await assertClaimsHold(tx, batch.events);
    return { ...settled, next };
  });
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

async function settlePrefix(tx: Transaction, context: BatchContext, batch: Batch) {
  const records = inLogOrder(batch);
  // Halves still to try, the earliest in the log on top.
  const pending: (typeof records)[] = [records];
  let settled: Settled = { stored: 0, duplicates: [], conflicts: [], deadLetters: [] };
  for (let attempt = 0; pending.length > 0 && attempt < SAVEPOINTS_MAX; attempt++) {
    const half = pending.pop() as typeof records;
    const result = await attemptPiece(tx, context, batch.slice, pieceOf(half));
    if (result.ok) {
      settled = merge(settled, result.settled);
    } else if (half.length === 1) {
      const later = pending.toReversed().flat();
      if (settled.stored === 0 && !(await anySucceeds(tx, context, batch.slice, later))) {
        const reason = `Every event is refused, nothing is parked: ${reasonOf(result.error)}`;
        throw new OrderonceError('ALL_REFUSED', reason, { cause: result.error });
      }
      settled = merge(settled, await park(tx, context, batch.slice, half[0], result.error));
    } else {
      const middle = half.length >> 1;
      pending.push(half.slice(middle), half.slice(0, middle));
    }
  }
  const next = pending.at(-1)?.[0]?.record.offset ?? batch.slice.next;
  return { settled, next };
}

async function attemptPiece(
  tx: Transaction,
  context: BatchContext,
  slice: LogSlice,
  piece: Piece,
  isProbe = false,
) {
  await tx.query('SAVEPOINT piece');
  try {
    // Bars are always read here: an earlier piece of this very batch may have parked something.
    const how = { anyClaims: true, mayPark: true };
    const settled = await settlePiece(tx, context, slice, piece, how);
    // A deferred constraint would otherwise fail only at COMMIT, and take the whole batch along.
    await tx.query('SET CONSTRAINTS ALL IMMEDIATE');
    // Back, so that the next piece may again defer what its statements only together satisfy.
    await tx.query('SET CONSTRAINTS ALL DEFERRED');
    if (isProbe) await tx.query('ROLLBACK TO SAVEPOINT piece');
    await tx.query('RELEASE SAVEPOINT piece');
    return { ok: true as const, settled };
  } catch (error) {
    if (!isRefusedData(error)) throw error;
    await tx.query('ROLLBACK TO SAVEPOINT piece');
    await tx.query('RELEASE SAVEPOINT piece');
    return { ok: false as const, error };
  }
}

type Item = EventRecord | InvalidRecord;

/** How many later events are tried, and undone, to see whether anything succeeds. */
const PROBES_MAX = 3;

/**
 * Where nothing else succeeds either, it is not the event: a column was added, a constraint is
 * wrong. Then all of them wait (G6). With nothing else to try, the event is taken for guilty.
 */
async function anySucceeds(
  tx: Transaction,
  context: BatchContext,
  slice: LogSlice,
  later: readonly Item[],
): Promise<boolean> {
  const others = later.filter((item) => 'event' in item).slice(0, PROBES_MAX);
  for (const item of others) {
    const probe = await attemptPiece(tx, context, slice, pieceOf([item]), true);
    if (probe.ok && probe.settled.stored > 0) return true;
  }
  return others.length === 0;
}

/** Parks the guilty event: it claims its id, and its order is held from here on. */
async function park(
  tx: Transaction,
  context: BatchContext,
  slice: LogSlice,
  item: Item | undefined,
  error: unknown,
): Promise<Settled> {
  // An invalid record writes only its own dead letter; if even that is refused, that is an outage.
  if (item === undefined || !('event' in item)) throw error;
  const letter: DeadLetter = {
    record: item.record,
    event: item,
    state: 'parked',
    reason: 'refused_by_database',
    detail: { message: error instanceof Error ? error.message.slice(0, 1000) : String(error) },
    sqlState: sqlStateOf(error),
  };
  await insertDeadLetters(tx, placeOf(context, slice), [letter]);
  await holdOrder(tx, item.event.orderId);
  return { stored: 0, duplicates: [], conflicts: [], deadLetters: [letter] };
}

function inLogOrder({ events, invalid }: DecodedBatch): Item[] {
  return [...events, ...invalid].sort((a, b) => a.record.offset - b.record.offset);
}

function pieceOf(items: readonly Item[]): Piece {
  return {
    events: items.filter((item) => 'event' in item),
    invalid: items.filter((item): item is InvalidRecord => !('event' in item)),
  };
}

function merge(a: Settled, b: Settled): Settled {
  return {
    stored: a.stored + b.stored,
    duplicates: [...a.duplicates, ...b.duplicates],
    conflicts: [...a.conflicts, ...b.conflicts],
    deadLetters: [...a.deadLetters, ...b.deadLetters],
  };
}
