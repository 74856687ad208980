/**
 * The statements of the heart: the fence that moves a position, and the settling of a piece of a
 * batch, from insert to account. The caller owns the transaction.
 */
import { OrderonceError } from '../errors.ts';
import type { HandledEvent } from '../handlers/handler.ts';
import { type HandlerSet, runHandlers } from '../handlers/run-handlers.ts';
import { type EventRecord, type InvalidRecord, recordDigest } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { insertConflicts } from '../store/conflicts.ts';
import { type DeadLetter, insertDeadLetters } from '../store/dead-letters.ts';
import { insertDuplicates, type Repeat } from '../store/duplicates.ts';
import { lockHeldOrders } from '../store/held-orders.ts';
import type { Pool, Transaction } from '../store/pool.ts';
import { movePosition, type PositionMove } from '../store/positions.ts';
import {
  type BatchPlace,
  findClaims,
  findParkedIds,
  insertEvents,
} from '../store/processed-events.ts';
import type { TransactionLimits } from '../store/transaction.ts';
import type { ParkGuard } from './park-guard.ts';
import { type Bars, NO_BARS, planPiece, type Settlement, settle } from './settle.ts';

export type BatchContext = {
  readonly pool: Pool;
  readonly limits: TransactionLimits;
  readonly topic: string;
  readonly logId: number;
  readonly owner: string;
  readonly handlers: HandlerSet;
  readonly parkGuard: ParkGuard;
};

/** An event that fails alone for an unknown reason: tried again before anything behind it. */
export type HeldEvent = {
  readonly offset: number;
  readonly reason: string;
};

/** What one committed transaction did; the lists are for logs, metrics and waiters. */
export type BatchOutcome = {
  /** Where the position stands now: the slice's end, or before it after an isolation. */
  readonly next: number;
  readonly stored: number;
  readonly duplicates: readonly Repeat[];
  readonly conflicts: readonly Repeat[];
  readonly deadLetters: readonly DeadLetter[];
  /** Set when the position stands before an event that may yet have to be parked. */
  readonly held?: HeldEvent;
};

export function placeOf(context: BatchContext, slice: LogSlice): BatchPlace {
  return { logId: context.logId, partition: slice.partition };
}

/** Moves the position from the slice's start to `to`, which also locks it until COMMIT. */
export async function fence(
  tx: Transaction,
  context: BatchContext,
  slice: LogSlice,
  to: number,
): Promise<{ anyClaims: boolean }> {
  const move = { ...moveOf(context, slice), from: slice.from, to, last: lastBefore(slice, to) };
  const moved = await movePosition(tx, move);
  if (moved !== null) return moved;
  throw new OrderonceError(
    'POSITION_MOVED',
    `Partition ${slice.partition} is no longer at offset ${slice.from}`,
  );
}

function moveOf(context: BatchContext, slice: LogSlice) {
  const { topic, logId, owner } = context;
  return { topic, logId, owner, partition: slice.partition, leaderEpoch: slice.leaderEpoch };
}

function lastBefore(slice: LogSlice, to: number): PositionMove['last'] {
  const last = slice.records.findLast((record) => record.offset < to);
  return last && { offset: last.offset, digest: recordDigest(last) };
}

export type Piece = {
  readonly events: readonly EventRecord[];
  readonly invalid: readonly InvalidRecord[];
};

/** Thrown where events would have to wait in a transaction that may not park. Not an error. */
export class ParkingNeeded extends Error {}

/**
 * Settles some records of a batch inside its transaction.
 * @throws ParkingNeeded
 */
export async function settlePiece(
  tx: Transaction,
  context: BatchContext,
  slice: LogSlice,
  piece: Piece,
  { anyClaims, mayPark }: { readonly anyClaims: boolean; readonly mayPark: boolean },
): Promise<Omit<BatchOutcome, 'next' | 'held'>> {
  const place = placeOf(context, slice);
  const bars = anyClaims ? await readBars(tx, piece.events, mayPark) : NO_BARS;
  const plan = planPiece(piece.events, bars);
  const storedOffsets = await insertEvents(tx, place, plan.firsts, context.handlers);
  const unsettled = [...plan.firsts, ...plan.barred].filter(
    (event) => !storedOffsets.has(event.record.offset),
  );
  // A later statement than the insert: within one, the loser of a race for an id would see it
  // neither as new nor as existing, and the record would vanish.
  const claims = await findClaims(
    tx,
    unsettled.map((event) => event.event.eventId),
  );
  const settlement = settle(plan, storedOffsets, claims, place);
  if (settlement === null) {
    throw new OrderonceError('OUTCOMES_DO_NOT_ADD_UP', 'An id is neither new nor claimed');
  }
  if (context.handlers.handlers.length > 0) {
    await runHandlers(context.handlers, tx, settlement.stored.map(viewOf(place)));
  }
  // A letter that claims an id needs the look-back of a transaction that parks.
  if (settlement.waiting.length > 0 && !mayPark) throw new ParkingNeeded();
  const deadLetters = [
    ...piece.invalid.map(letterOfInvalid),
    ...settlement.waiting.map(letterOfWaiting),
  ];
  const written = {
    stored: storedOffsets.size,
    // Before conflicts, which quote the payload of a letter that came first in this very piece.
    deadLetters: await insertDeadLetters(tx, place, deadLetters),
    duplicates: await insertDuplicates(tx, place, settlement.duplicates),
    conflicts: await insertConflicts(tx, place, settlement.conflicts),
  };
  assertComplete(piece, settlement, written);
  const { duplicates, conflicts } = settlement;
  return { stored: written.stored, duplicates, conflicts, deadLetters };
}

/** G3, checked against PostgreSQL's own row counts before COMMIT. */
function assertComplete(
  piece: Piece,
  settlement: Settlement,
  written: Record<'stored' | 'duplicates' | 'conflicts' | 'deadLetters', number>,
): void {
  const records = piece.events.length + piece.invalid.length;
  const { stored, duplicates, conflicts, deadLetters } = written;
  const outcomes = stored + duplicates + conflicts + deadLetters + settlement.replays.length;
  if (outcomes === records) return;
  throw new OrderonceError(
    'OUTCOMES_DO_NOT_ADD_UP',
    `${records} records have ${outcomes} outcomes: ${JSON.stringify(written)}`,
  );
}

async function readBars(
  tx: Transaction,
  events: readonly EventRecord[],
  mayPark: boolean,
): Promise<Bars> {
  const ids = events.map(({ event }) => event.eventId);
  const orders = [...new Set(events.map(({ event }) => event.orderId))];
  return {
    heldOrders: await lockHeldOrders(tx, orders),
    // Where parking is possible, stored ids too: a trigger may refuse the repeat of a stored event
    // before its id is looked at, and it must not be parked for that.
    takenIds: mayPark ? new Set((await findClaims(tx, ids)).keys()) : await findParkedIds(tx, ids),
  };
}

/** The event as handlers see it. */
function viewOf({ partition }: BatchPlace): (stored: EventRecord) => HandledEvent {
  return ({ event, record }) => ({ ...event, partition, offset: record.offset });
}

function letterOfInvalid({ record, errors, eventIdHint }: InvalidRecord): DeadLetter {
  return { record, eventIdHint, state: 'parked', reason: 'invalid_event', detail: errors };
}

function letterOfWaiting(event: EventRecord): DeadLetter {
  return { record: event.record, event, state: 'waiting', reason: 'order_held' };
}
