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
import { isSamePlace, type LogPartition } from '../store/log-place.ts';
import type { Pool, Transaction } from '../store/pool.ts';
import { movePositions, type PositionMove } from '../store/positions.ts';
import { type Claim, findClaims, findParkedIds, insertEvents } from '../store/processed-events.ts';
import type { TransactionLimits } from '../store/transaction.ts';
import type { ParkGuard } from './park-guard.ts';
import { type Bars, NO_BARS, placeOf, planPiece, type Settlement, settle } from './settle.ts';

export type BatchContext = {
  readonly pool: Pool;
  readonly limits: TransactionLimits;
  readonly topic: string;
  readonly logId: number;
  readonly owner: string;
  readonly handlers: HandlerSet;
  readonly parkGuard: ParkGuard;
  /** The table `orders` is not kept. */
  readonly withoutOrders?: boolean | undefined;
};

/** What settling needs of it: a redrive moves no position, and guards nothing. */
export type SettleContext = Pick<BatchContext, 'pool' | 'logId' | 'handlers' | 'withoutOrders'>;

/** How a piece is settled. */
export type Manner =
  /** By the transaction that moves past it. `anyClaims`: whether there are dead letters to look at. */
  | { readonly order: 'log'; readonly anyClaims: boolean; readonly mayPark: boolean }
  /**
   * A redrive of a dead letter, the first of its order's queue: neither its own claim nor the hold on
   * its order counts, and others that lie behind it in the log may be stored already.
   */
  | { readonly order: 'late' };

/** An event that fails alone and is not parked yet: tried again before anything behind it. */
export type HeldEvent = {
  readonly offset: number;
  readonly code: 'HANDLER_FAILS' | 'ALL_REFUSED';
  readonly reason: string;
  /** Failures after which another event succeeded, this one included if `isConfirmed`. */
  readonly attempts: number;
  /** Whether another event succeeded after this failure. */
  readonly isConfirmed: boolean;
  /** Its handler says that a dependency is away: it gets more time. */
  readonly isOutage: boolean;
};

/** What a transaction did with its records; the lists are for logs, metrics and waiters. */
export type Settled = {
  readonly stored: number;
  readonly duplicates: readonly Repeat[];
  readonly conflicts: readonly Repeat[];
  readonly deadLetters: readonly DeadLetter[];
};

/** What became of one slice. */
export type BatchOutcome = Settled & {
  /** Where the position stands now: the slice's end, or before it after an isolation. */
  readonly next: number;
  /** Set when the position stands before an event that may yet have to be parked. */
  readonly held?: HeldEvent;
};

export function logPartitionOf(context: BatchContext, slice: LogSlice): LogPartition {
  return { logId: context.logId, partition: slice.partition };
}

/** How far the position of a slice's partition moves: to the slice's end, unless said otherwise. */
export type Advance = { readonly slice: LogSlice; readonly to: number };

/** Moves each position from its slice's start to `to`, which also locks it until COMMIT. */
export async function fence(
  tx: Transaction,
  context: BatchContext,
  advances: readonly Advance[],
): Promise<{ anyClaims: boolean }> {
  const { moved, anyClaims } = await movePositions(tx, context, advances.map(moveOf));
  const missed = advances.find(({ slice }) => !moved.has(slice.partition));
  if (missed === undefined) return { anyClaims };
  const { partition, from } = missed.slice;
  const message = `Partition ${partition} is no longer at offset ${from}`;
  throw new OrderonceError('POSITION_MOVED', message);
}

function moveOf({ slice, to }: Advance): PositionMove {
  const { partition, from, leaderEpoch } = slice;
  const last = slice.records.findLast((record) => record.offset < to);
  return {
    partition,
    from,
    to,
    leaderEpoch,
    last: last && { offset: last.offset, digest: recordDigest(last) },
  };
}

export type Piece = {
  readonly events: readonly EventRecord[];
  readonly invalid: readonly InvalidRecord[];
};

/** Thrown where events would have to wait in a transaction that may not park. Not an error. */
export class ParkingNeeded extends Error {}

/**
 * Settles records: G2, G3 and G4, here alone. Those of a partition come in log order; of several
 * partitions, those of a later one count as later.
 * @throws ParkingNeeded
 */
export async function settlePiece(
  tx: Transaction,
  context: SettleContext,
  piece: Piece,
  manner: Manner,
): Promise<Settled> {
  const { logId, handlers, withoutOrders } = context;
  const isLate = manner.order === 'late';
  const bars = await readBars(tx, logId, piece.events, manner);
  const plan = planPiece(piece.events, bars);
  const inserted = await insertEvents(tx, logId, plan.firsts, { withoutOrders, isLate });
  // A later statement than the insert: within one, the loser of a race for an id would see it
  // neither as new nor as existing, and the record would vanish.
  const doubtful = [...inserted.known, ...plan.barred];
  const claims = isLate
    ? await findClaimsOfOthers(tx, logId, doubtful)
    : await findClaims(tx, idsOf(doubtful));
  const settlement = settle(plan, inserted, claims, logId);
  if (settlement === null) {
    throw new OrderonceError('OUTCOMES_DO_NOT_ADD_UP', 'An id is neither new nor claimed');
  }
  if (handlers.handlers.length > 0) {
    await runHandlers(handlers, tx, context.pool, settlement.stored.map(viewOf));
  }
  // Parking requires a final check that no other partition has taken the id; only a parking
  // transaction makes it.
  const mayPark = manner.order === 'log' && manner.mayPark;
  if (settlement.waiting.length > 0 && !mayPark) throw new ParkingNeeded();
  const deadLetters = [
    ...piece.invalid.map(letterOfInvalid),
    ...settlement.waiting.map(letterOfWaiting),
  ];
  const written = {
    stored: inserted.count,
    // Before conflicts, which quote the payload of a letter that came first in this very piece.
    deadLetters: await insertDeadLetters(tx, logId, deadLetters),
    duplicates: await insertDuplicates(tx, logId, settlement.duplicates.map(ofManner(manner))),
    conflicts: await insertConflicts(tx, logId, settlement.conflicts.map(ofManner(manner))),
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
  logId: number,
  events: readonly EventRecord[],
  manner: Manner,
): Promise<Bars> {
  if (manner.order === 'late') {
    const others = await findClaimsOfOthers(tx, logId, events);
    return { heldOrders: new Set(), takenIds: new Set(others.keys()) };
  }
  if (!manner.anyClaims) return NO_BARS;
  const { mayPark } = manner;
  const ids = idsOf(events);
  const orders = [...new Set(events.map(({ event }) => event.orderId))];
  return {
    heldOrders: await lockHeldOrders(tx, orders),
    // Where parking is possible, stored ids too: a trigger may refuse the repeat of a stored event
    // before its id is looked at, and it must not be parked for that.
    takenIds: mayPark ? new Set((await findClaims(tx, ids)).keys()) : await findParkedIds(tx, ids),
  };
}

/** Without those that these very records hold: each is a dead letter that is to take effect. */
async function findClaimsOfOthers(
  tx: Transaction,
  logId: number,
  events: readonly EventRecord[],
): Promise<ReadonlyMap<string, Claim>> {
  const claims = await findClaims(tx, idsOf(events));
  for (const event of events) {
    const { eventId } = event.event;
    const claim = claims.get(eventId);
    if (claim !== undefined && isSamePlace(claim, placeOf(event, logId))) claims.delete(eventId);
  }
  return claims;
}

function idsOf(events: readonly EventRecord[]): string[] {
  return events.map(({ event }) => event.eventId);
}

/** Who sent the record twice says nothing where an operator redrove it. */
function ofManner({ order }: Manner): (repeat: Repeat) => Repeat {
  return (repeat) => (order === 'late' ? { ...repeat, source: 'redrive' } : repeat);
}

/** The event as handlers see it. */
function viewOf({ event, record }: EventRecord): HandledEvent {
  return { ...event, partition: record.partition, offset: record.offset };
}

function letterOfInvalid({ record, errors, eventIdHint }: InvalidRecord): DeadLetter {
  return { record, eventIdHint, state: 'parked', reason: 'invalid_event', detail: errors };
}

function letterOfWaiting(event: EventRecord): DeadLetter {
  return { record: event.record, event, state: 'waiting', reason: 'order_held' };
}
