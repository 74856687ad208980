/**
 * Poison: a row of the batch was refused, by PostgreSQL or by a handler. The batch is taken apart
 * with savepoints, halves in log order, until each guilty event is alone; what is refused is
 * parked, later events of its order wait behind it, and all others take effect. A batch of n with
 * one guilty event costs about 2·log2 n attempts. Where nothing else succeeds either, nothing is
 * parked: then it is not the event (G6).
 *
 * An event that fails alone for an unknown reason is held instead: the batch is committed up to
 * it, and first-event.ts finds out whose fault it is.
 *
 * A transaction uses at most SAVEPOINTS_MAX subtransactions: past 64, PostgreSQL's per-session
 * cache of them overflows and every reader pays (manual, section 67.3). What is settled by then is
 * committed with its position, and the rest comes as the next batch.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import { faultOf, HandlerFailure, parkReasonOf, sqlStateBehind } from '../handlers/run-handlers.ts';
import type { DecodedBatch, EventRecord, InvalidRecord } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { type DeadLetter, insertDeadLetters } from '../store/dead-letters.ts';
import { holdOrder, lockHeldOrders } from '../store/held-orders.ts';
import type { Transaction } from '../store/pool.ts';
import { findClaims } from '../store/processed-events.ts';
import { checkDeferredConstraints, inSavepoint } from '../store/transaction.ts';
import { allRefused } from './blame.ts';
import {
  type BatchContext,
  type HeldEvent,
  type Piece,
  type Settled,
  settlePiece,
} from './settle-piece.ts';
import { witnessesOf } from './witnesses.ts';

export const SAVEPOINTS_MAX = 50;

export type Batch = DecodedBatch & { readonly slice: LogSlice };
export type Item = EventRecord | InvalidRecord;

const NOTHING: Settled = { stored: 0, duplicates: [], conflicts: [], deadLetters: [] };

/** Why an event is parked, for its dead letter. */
export type Verdict = {
  readonly failure: unknown;
  readonly reason: string;
  readonly attempts: number;
};

/** Thrown to undo what was only tried. Not an error. */
class Probed extends Error {
  readonly stored: number;

  constructor(stored: number) {
    super('It was only tried');
    this.stored = stored;
  }
}

/** Inside one transaction, which the caller owns. */
export class Isolation {
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
  async run(items: readonly Item[]): Promise<{ next: number; held?: HeldEvent }> {
    // Halves still to try, the earliest in the log on top.
    const pending = items.length === 0 ? [] : [items];
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
      const held = await this.#settleGuilty(guilty, failure, pending.toReversed().flat());
      if (held !== null) return { next: guilty.record.offset, held };
    }
    return { next: pending.at(-1)?.[0]?.record.offset ?? this.#slice.next };
  }

  /** As a whole. @throws whatever failed; then the transaction is lost. */
  async settle(items: readonly Item[]): Promise<Settled> {
    // What dead letters forbid is always read here: an earlier part of this very batch may have parked something.
    const manner = { order: 'log', anyClaims: true, mayPark: true } as const;
    const settled = await settlePiece(this.#tx, this.#context, pieceOf(items), manner);
    await checkDeferredConstraints(this.#tx);
    this.settled = merge(this.settled, settled);
    return settled;
  }

  /** @returns null when the piece is settled, or why it cannot be; then nothing of it is left. */
  async #attempt(items: readonly Item[], isProbe = false): Promise<unknown> {
    this.#savepoints++;
    const before = this.settled;
    const attempt = await inSavepoint(
      (text) => this.#tx.query(text),
      async () => {
        const { stored } = await this.settle(items);
        if (isProbe) throw new Probed(stored);
      },
    );
    if (!('failure' in attempt)) return null;
    const { failure } = attempt;
    this.settled = before;
    if (failure instanceof Probed) return failure.stored === 0 ? failure : null;
    if (faultOf(failure) === 'outage') throw failure;
    return failure;
  }

  /** Parks it, or @returns why it is held instead. @throws ALL_REFUSED, HANDLERS_REFUSE_TOO_MUCH */
  async #settleGuilty(
    guilty: Item,
    failure: unknown,
    later: readonly Item[],
  ): Promise<HeldEvent | null> {
    // An invalid record writes only its own dead letter; if even that is refused, that is an outage.
    if (!('event' in guilty)) throw failure;
    if (faultOf(failure) !== 'refused') return holdOf(guilty, failure);
    const success = await this.#othersSucceed(later);
    const isUnproven = success === 'unknown' && !isTakenAtWord(this.#context, failure);
    if (success === 'none' || isUnproven) throw allRefused(failure);
    // Once more: what it was refused for may have ended before the others succeeded.
    const again = success === 'now' ? await this.#attempt([guilty]) : failure;
    if (again === null) return null;
    if (faultOf(again) !== 'refused') return holdOf(guilty, again);
    await this.#assertFree(guilty.event.eventId, again);
    await this.#park(guilty, { failure: again, reason: parkReasonOf(again), attempts: 1 });
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

  /** Whether others succeed: before in this transaction, now, none; or nobody could be asked. */
  async #othersSucceed(later: readonly Item[]): Promise<'before' | 'now' | 'none' | 'unknown'> {
    if (this.settled.stored > 0) return 'before';
    const witnesses = witnessesOf(later.filter((item) => 'event' in item));
    for (const item of witnesses) {
      if ((await this.#attempt([item], true)) === null) return 'now';
    }
    return witnesses.length === 0 ? 'unknown' : 'none';
  }

  /** @returns whether it was parked: not where its id is taken. */
  async parkUnrun(event: EventRecord, verdict: Verdict): Promise<boolean> {
    if ((await findClaims(this.#tx, [event.event.eventId])).size > 0) return false;
    // Behind a parked event of its order it waits, whatever it would do.
    if ((await lockHeldOrders(this.#tx, [event.event.orderId])).size > 0) return false;
    await this.#park(event, verdict);
    return true;
  }

  /** The event claims its id, and its order is held from here on. */
  async #park(item: EventRecord, { failure, reason, attempts }: Verdict) {
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

/** Where nobody else can be asked: a handler's own word always, PostgreSQL's once in a while. */
export function isTakenAtWord({ parkGuard }: BatchContext, failure: unknown): boolean {
  return (failure instanceof HandlerFailure && failure.isTerminal) || parkGuard.takeAtWord();
}

export function holdOf({ record }: EventRecord, failure: unknown): HeldEvent {
  const { offset } = record;
  const isOutage = failure instanceof HandlerFailure && failure.isOutage;
  const reason = messageOf(failure);
  return { offset, code: 'HANDLER_FAILS', reason, attempts: 0, isConfirmed: false, isOutage };
}

export function messageOf(failure: unknown): string {
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
