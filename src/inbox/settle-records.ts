/**
 * Settling, the step of a transaction that inserts events, classifies the others, runs handlers and
 * accounts for every record. The transaction itself belongs to the caller.
 */
import { OrderonceError } from '../errors.ts';
import { handledEvents } from '../handlers/handled-events.ts';
import { type HandlerInput, runHandlers } from '../handlers/run-handlers.ts';
import type { RecordRules } from '../log/decode-hook.ts';
import {
  type DecodedBatch,
  type EventRecord,
  type InvalidRecord,
  UnfitEvent,
  unfitDetail,
} from '../log/decoded-record.ts';
import type { TraceContext } from '../log/event-log.ts';
import type { Laps } from '../runtime/laps.ts';
import { insertConflicts } from '../store/conflicts.ts';
import { type DeadLetter, insertDeadLetters } from '../store/dead-letters.ts';
import { insertDuplicates, type Repeat } from '../store/duplicates.ts';
import { holdOrders, lockHeldOrders } from '../store/held-orders.ts';
import { type Claim, findClaims, findParkedIds, insertEvents } from '../store/processed-events.ts';
import type { Transaction } from '../store/queryable.ts';
import type { BatchContext, Phase, Settled } from './batch.ts';
import {
  type Blocked,
  NOTHING_BLOCKED,
  placeOf,
  planRecords,
  type Settlement,
  settle,
} from './settle.ts';

/** The part of the context that settling needs. A redrive has no more: it moves no position. */
export type SettleContext = Pick<
  BatchContext,
  'pool' | 'logId' | 'handlers' | 'rules' | 'projection'
>;

/** Which transaction settles the records. */
export type SettleMode =
  /**
   * The transaction that moves the position past the records. `anyClaims`: whether a dead letter
   * has taken any event id at all. `mayPark`: whether the transaction may park events or let them
   * wait.
   */
  | {
      readonly kind: 'batch';
      readonly anyClaims: boolean;
      readonly mayPark: boolean;
      /** Measures the transaction. */
      readonly laps?: Laps<Phase>;
    }
  /**
   * The redrive of the dead letter that is first in its order's queue. The dead letter's own claim
   * and the hold on its order do not count. Later events of the log may already be stored.
   */
  | { readonly kind: 'redrive' };

/** Thrown if an event has to wait behind a parked one, but `mayPark` is false. Not an error. */
export class ParkingNeeded extends Error {}

/**
 * Gives every record its outcome and writes it. G2, G3 and G4 rest on this function.
 *
 * @param records of one or several partitions, in the order of partition numbers and then of
 * offsets. That order decides which records count as earlier if partitions share an id or an order.
 * @throws ParkingNeeded; OUTCOMES_DO_NOT_ADD_UP; HandlerFailure; an error of PostgreSQL. The caller
 * must then roll back.
 */
export async function settleRecords(
  tx: Transaction,
  context: SettleContext,
  records: DecodedBatch,
  mode: SettleMode,
): Promise<Settled> {
  const { logId, handlers, projection } = context;
  const isRedrive = mode.kind === 'redrive';
  const blocked = await readBlocked(tx, logId, records.events, mode);
  const plan = planRecords(records.events, blocked);
  const [unfit] = plan.unfit;
  if (isRedrive && unfit?.unfit !== undefined) throw new UnfitEvent(unfit.unfit);
  const inserted = await insertEvents(tx, logId, plan.firsts, { projection, isRedrive });
  // This must be a later statement than the insert. Within one statement, the loser of a race for
  // an id would see that id neither as new nor as existing, and the record would vanish.
  const doubtful = [...inserted.known, ...plan.blocked, ...plan.unfit];
  const claims = isRedrive
    ? await findClaimsOfOthers(tx, logId, doubtful)
    : await findClaims(tx, idsOf(doubtful));
  const settlement = settle(plan, inserted, claims, logId);
  if (settlement === null) {
    throw new OrderonceError('OUTCOMES_DO_NOT_ADD_UP', 'An event id is neither new nor taken');
  }
  // An event that waits takes its id like one that is parked. That requires a final check that no
  // other partition has taken the id, which only a transaction that may park makes.
  const mayPark = mode.kind === 'batch' && mode.mayPark;
  const { parked, waiting } = settlement;
  if (parked.length + waiting.length > 0 && !mayPark) throw new ParkingNeeded();
  // Otherwise later events of its order would wait behind an event that is not parked.
  if (parked.length < plan.unfit.length && mayPark) throw claimRace(plan.unfit);
  if (parked.length > 0)
    await holdOrders(
      tx,
      parked.map(({ event }) => event.orderId),
    );
  if (handlers.handlers.length > 0) {
    const laps = mode.kind === 'batch' ? mode.laps : undefined;
    laps?.end('settle');
    await runHandlers(handlers, tx, context.pool, inputOf(settlement.stored, context.rules));
    laps?.end('handlers');
  }
  const deadLetters = [
    ...records.invalid.map(deadLetterOfInvalid),
    ...parked.map(deadLetterOfUnfit),
    ...waiting.map(deadLetterOfWaiting),
  ];
  const written = {
    stored: inserted.count,
    // Before the conflicts: a conflict quotes the first payload of its id, which may be in a dead
    // letter of this same batch.
    deadLetters: await insertDeadLetters(tx, logId, deadLetters),
    duplicates: await insertDuplicates(tx, logId, settlement.duplicates.map(withSourceOf(mode))),
    conflicts: await insertConflicts(tx, logId, settlement.conflicts.map(withSourceOf(mode))),
  };
  assertComplete(records, settlement, written);
  const { duplicates, conflicts } = settlement;
  const { stored: storedRecords } = settlement;
  return { stored: written.stored, storedRecords, duplicates, conflicts, deadLetters };
}

/** G3: before COMMIT, PostgreSQL's own row counts must add up to the number of records. */
function assertComplete(
  { events, invalid }: DecodedBatch,
  settlement: Settlement,
  written: Record<'stored' | 'duplicates' | 'conflicts' | 'deadLetters', number>,
): void {
  const records = events.length + invalid.length;
  const { stored, duplicates, conflicts, deadLetters } = written;
  const outcomes = stored + duplicates + conflicts + deadLetters + settlement.replays.length;
  if (outcomes === records) return;
  throw new OrderonceError(
    'OUTCOMES_DO_NOT_ADD_UP',
    `${records} records have ${outcomes} outcomes: ${JSON.stringify(written)}`,
  );
}

/** Reads which of these events must not be inserted. */
async function readBlocked(
  tx: Transaction,
  logId: number,
  events: readonly EventRecord[],
  mode: SettleMode,
): Promise<Blocked> {
  if (mode.kind === 'redrive') {
    const others = await findClaimsOfOthers(tx, logId, events);
    return { heldOrders: new Set(), takenIds: new Set(others.keys()) };
  }
  if (!mode.anyClaims) return NOTHING_BLOCKED;
  const { mayPark } = mode;
  const ids = idsOf(events);
  const orders = [...new Set(events.map(({ event }) => event.orderId))];
  return {
    heldOrders: await lockHeldOrders(tx, orders),
    // In a transaction that may park, the ids of stored events count too. PostgreSQL runs BEFORE
    // triggers before it looks for the id, so a trigger may refuse the repeat of a stored event. A
    // repeat must not be parked for that.
    takenIds: mayPark ? new Set((await findClaims(tx, ids)).keys()) : await findParkedIds(tx, ids),
  };
}

/** Claims of other records. In a redrive the record's own claim, its dead letter, does not count. */
async function findClaimsOfOthers(
  tx: Transaction,
  logId: number,
  events: readonly EventRecord[],
): Promise<ReadonlyMap<string, Claim>> {
  const [event] = events;
  return event === undefined
    ? new Map()
    : await findClaims(tx, idsOf(events), placeOf(event, logId));
}

function idsOf(events: readonly EventRecord[]): string[] {
  return events.map(({ event }) => event.eventId);
}

/** A repeat that a redrive finds gets the source `redrive`: an operator caused it, not a sender. */
function withSourceOf({ kind }: SettleMode): (repeat: Repeat) => Repeat {
  return (repeat) => (kind === 'redrive' ? { ...repeat, source: 'redrive' } : repeat);
}

function claimRace(events: readonly EventRecord[]): OrderonceError {
  const ids = idsOf(events).slice(0, 3).join(', ');
  const message = `Another partition has taken one of the event ids ${ids} in the meantime. The batch is retried`;
  return new OrderonceError('CLAIM_RACE', message);
}

function inputOf(stored: readonly EventRecord[], rules: RecordRules): HandlerInput {
  const traces = new Map<string, TraceContext>();
  for (const { event, record } of stored) {
    if (record.trace !== null) traces.set(event.eventId, record.trace);
  }
  return { events: handledEvents(stored, rules), traces };
}

function deadLetterOfInvalid(invalid: InvalidRecord): DeadLetter {
  const { record, errors: detail, eventIdHint, reason = 'invalid_event' } = invalid;
  return { record, eventIdHint, state: 'parked', reason, detail };
}

function deadLetterOfUnfit(event: EventRecord): DeadLetter {
  const unknown = { reason: 'invalid_data', errors: [], type: null, version: null } as const;
  const { reason, ...unfit } = event.unfit ?? unknown;
  const detail = unfitDetail(unfit);
  return { record: event.record, event, state: 'parked', reason, detail };
}

function deadLetterOfWaiting(event: EventRecord): DeadLetter {
  return { record: event.record, event, state: 'waiting', reason: 'order_held' };
}
