/**
 * Poison: a row of the batch was refused, by PostgreSQL or by a handler. The batch is taken apart
 * with savepoints, halves in log order, until each guilty event stands alone; it is parked, later
 * events of its order wait behind it, and all others take effect. A batch of n with one guilty
 * event costs about 2·log2 n attempts.
 *
 * An event that fails alone for an unknown reason is held instead: the batch is committed up to
 * it, and it is tried again; parked only after attemptsMax such failures while others succeed.
 * Where nothing else succeeds either, nothing is parked: then it is not the event (G6).
 *
 * A transaction uses at most SAVEPOINTS_MAX subtransactions: past 64, PostgreSQL's per-session
 * cache of them overflows and every reader pays (manual, section 67.3). What is settled by then is
 * committed with its position, and the rest comes as the next batch.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import { faultOf, parkReasonOf, sqlStateBehind } from '../handlers/run-handlers.ts';
import type { DecodedBatch, EventRecord, InvalidRecord } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { type DeadLetter, insertDeadLetters } from '../store/dead-letters.ts';
import { holdOrder, lockHeldOrders } from '../store/held-orders.ts';
import { insertGaps } from '../store/log-gaps.ts';
import type { Transaction } from '../store/pool.ts';
import { findClaims, findDoubleClaim, lockOrders } from '../store/processed-events.ts';
import { inTransaction, lockParking } from '../store/transaction.ts';
import {
  type BatchContext,
  type BatchOutcome,
  fence,
  type HeldEvent,
  type Piece,
  placeOf,
  type Settled,
  settlePiece,
} from './settle-piece.ts';

export const SAVEPOINTS_MAX = 50;
/** How many later events are tried, and undone, to see whether anything succeeds. */
const PROBES_MAX = 3;

export type Batch = DecodedBatch & { readonly slice: LogSlice };
/** An event that failed alone before, for an unknown reason. */
export type KnownSuspect = {
  readonly from: number;
  /** Failures so far. */
  readonly attempts: number;
  /** Whether this process stored other events since. */
  readonly othersSucceed: boolean;
};
type Item = EventRecord | InvalidRecord;

const NOTHING: Settled = { stored: 0, duplicates: [], conflicts: [], deadLetters: [] };

/** Settles the longest prefix of the batch that can be settled now, and commits it. */
export async function isolate(
  context: BatchContext,
  batch: Batch,
  suspect: KnownSuspect | null,
): Promise<BatchOutcome> {
  const items = [...batch.events, ...batch.invalid];
  items.sort((a, b) => a.record.offset - b.record.offset);
  return await inParkingTransaction(context, batch, (isolation) => isolation.run(items, suspect));
}

/**
 * Parks the one event of a slice without running its handlers: processes died of it. If its id is
 * taken already, no handler would run either: it is settled as usual.
 */
export async function parkUnrun(context: BatchContext, batch: Batch): Promise<BatchOutcome> {
  return await inParkingTransaction(context, batch, async (isolation) => {
    const [event] = batch.events;
    if (event === undefined || !(await isolation.parkUnrun(event))) {
      return await isolation.run([...batch.events, ...batch.invalid], null);
    }
    return { next: batch.slice.next };
  });
}

async function inParkingTransaction(
  context: BatchContext,
  { slice, events }: Batch,
  work: (isolation: Isolation) => Promise<{ next: number; held?: HeldEvent }>,
): Promise<BatchOutcome> {
  return await inTransaction(context.pool, context.limits, async (tx) => {
    // Locks the position; how far it moves is not known yet.
    await fence(tx, context, [{ slice, to: slice.from }]);
    // In order, so that transactions which take batches apart piece by piece do not deadlock with
    // one another, nor with a redrive: held rows first, then orders.
    const orderIds = [...new Set(events.map(({ event }) => event.orderId))];
    await lockHeldOrders(tx, orderIds);
    if (!context.handlers.withoutOrders) await lockOrders(tx, orderIds);
    const isolation = new Isolation(tx, context, slice);
    const end = await work(isolation);
    await fence(tx, context, [{ slice, to: end.next }]);
    await insertGaps(tx, placeOf(context, slice), splitSlice(slice, end.next).head.gaps);
    await assertClaimsHold(tx, events);
    return { ...isolation.settled, ...end };
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

type Guilt = {
  readonly failure: unknown;
  /** Alone, this one included. */
  readonly failures: number;
  /** null where there is nothing else to try. */
  readonly othersSucceed: () => Promise<boolean | null>;
};

class Isolation {
  settled: Settled = NOTHING;
  readonly #tx: Transaction;
  readonly #context: BatchContext;
  readonly #slice: LogSlice;
  #savepoints = 0;

  constructor(tx: Transaction, context: BatchContext, slice: LogSlice) {
    this.#tx = tx;
    this.#context = context;
    this.#slice = slice;
  }

  /** @param items in log order. @returns where the settled prefix ends, and why, if it is held. */
  async run(
    items: readonly Item[],
    suspect: KnownSuspect | null,
  ): Promise<{ next: number; held?: HeldEvent }> {
    // Halves still to try, the earliest in the log on top.
    const pending = splitAt(items, suspect);
    while (pending.length > 0 && this.#savepoints < SAVEPOINTS_MAX) {
      const half = pending.pop() as readonly Item[];
      const failure = await this.#attempt(half);
      if (failure === null) continue;
      if (half.length > 1) {
        const middle = half.length >> 1;
        pending.push(half.slice(middle), half.slice(0, middle));
        continue;
      }
      const [guilty] = half as [Item];
      const known = suspect?.from === guilty.record.offset ? suspect : null;
      const held = await this.#settleGuilty(guilty, {
        failure,
        failures: (known?.attempts ?? 0) + 1,
        // Looked for only where it is needed: each probe costs a savepoint.
        othersSucceed: async () =>
          known?.othersSucceed === true || (await this.#othersSucceed(pending.toReversed().flat())),
      });
      if (held !== null) return { next: guilty.record.offset, held };
    }
    return { next: pending.at(-1)?.[0]?.record.offset ?? this.#slice.next };
  }

  /** @returns null when the piece is settled, or why it cannot be; then nothing of it is left. */
  async #attempt(items: readonly Item[], isProbe = false): Promise<unknown> {
    this.#savepoints++;
    const tx = this.#tx;
    await tx.query('SAVEPOINT piece');
    try {
      // Bars are always read here: an earlier piece of this very batch may have parked something.
      const how = { anyClaims: true, mayPark: true };
      const settled = await settlePiece(tx, this.#context, pieceOf(items), how);
      // A deferred constraint would otherwise fail only at COMMIT, and take the whole batch along.
      await tx.query('SET CONSTRAINTS ALL IMMEDIATE');
      // Back, so that the next piece may again defer what its statements only together satisfy.
      await tx.query('SET CONSTRAINTS ALL DEFERRED');
      if (isProbe) await tx.query('ROLLBACK TO SAVEPOINT piece');
      else this.settled = merge(this.settled, settled);
      await tx.query('RELEASE SAVEPOINT piece');
      return isProbe && settled.stored === 0 ? 'nothing stored' : null;
    } catch (error) {
      if (faultOf(error) === 'outage') throw error;
      await tx.query('ROLLBACK TO SAVEPOINT piece');
      await tx.query('RELEASE SAVEPOINT piece');
      return error;
    }
  }

  /** Parks it, or @returns why it is held instead. @throws ALL_REFUSED, HANDLERS_REFUSE_TOO_MUCH */
  async #settleGuilty(
    guilty: Item,
    { failure, failures, othersSucceed }: Guilt,
  ): Promise<HeldEvent | null> {
    // An invalid record writes only its own dead letter; if even that is refused, that is an outage.
    if (!('event' in guilty)) throw failure;
    const isRefused = faultOf(failure) === 'refused';
    const hold = { offset: guilty.record.offset, reason: messageOf(failure) };
    if (!isRefused && failures < this.#context.handlers.attemptsMax) return hold;
    const success = await othersSucceed();
    if (isRefused && success === false) {
      const reason = `Every event is refused, nothing is parked: ${reasonOf(failure)}`;
      throw new OrderonceError('ALL_REFUSED', reason, { cause: failure });
    }
    if (!isRefused && success !== true) return hold;
    await this.#assertFree(guilty.event.eventId, failure);
    await this.#park(guilty, failure, parkReasonOf(failure), failures);
    return null;
  }

  /**
   * An id that is taken has no second letter: another partition took it meanwhile, and the next
   * attempt sees that; or the note of the repeat is what failed.
   */
  async #assertFree(eventId: string, failure: unknown): Promise<void> {
    if ((await findClaims(this.#tx, [eventId])).size === 0) return;
    const message = `Event ${eventId} is taken by another record: ${messageOf(failure)}`;
    throw new OrderonceError('CLAIM_RACE', message, { cause: failure });
  }

  /** @returns null where there is nothing else to try. */
  async #othersSucceed(later: readonly Item[]): Promise<boolean | null> {
    if (this.settled.stored > 0) return true;
    const others = later.filter((item) => 'event' in item).slice(0, PROBES_MAX);
    for (const item of others) {
      if ((await this.#attempt([item], true)) === null) return true;
    }
    return others.length === 0 ? null : false;
  }

  /** @returns whether it was parked: not where its id is taken. */
  async parkUnrun(event: EventRecord): Promise<boolean> {
    if ((await findClaims(this.#tx, [event.event.eventId])).size > 0) return false;
    const failure = new Error('Processes ended, again and again, while this event was handled');
    await this.#park(event, failure, 'ends_the_process', 1);
    return true;
  }

  /** The event claims its id, and its order is held from here on. */
  async #park(item: EventRecord, failure: unknown, reason: string, attempts: number) {
    const parked = this.settled.deadLetters.filter(
      ({ state, event }) => event !== undefined && state === 'parked',
    );
    this.#context.parkGuard.assertMayPark(parked.length + 1, this.settled.stored);
    const letter: DeadLetter = {
      record: item.record,
      event: item,
      state: 'parked',
      reason,
      detail: { message: messageOf(failure) },
      sqlState: sqlStateBehind(failure),
      attempts,
    };
    await insertDeadLetters(this.#tx, this.#context.logId, [letter]);
    await holdOrder(this.#tx, item.event.orderId);
    this.settled = merge(this.settled, { ...NOTHING, deadLetters: [letter] });
  }
}

/** A known suspect stands alone from the beginning. The earliest piece comes last. */
function splitAt(items: readonly Item[], suspect: KnownSuspect | null): (readonly Item[])[] {
  const at = items.findIndex(({ record }) => record.offset === suspect?.from);
  if (at === -1) return items.length === 0 ? [] : [items];
  const pieces = [items.slice(at + 1), items.slice(at, at + 1), items.slice(0, at)];
  return pieces.filter((piece) => piece.length > 0);
}

function messageOf(failure: unknown): string {
  return reasonOf(failure).slice(0, 1000);
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
