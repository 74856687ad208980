/**
 * Isolates the events of a batch that PostgreSQL or a handler refuses. It divides the batch with
 * savepoints, half by half in log order, until each refused event is alone. That event is parked,
 * later events of its order wait behind it, and all others take effect. With one refused event
 * among n this costs about 2·log2 n attempts. If no other event succeeds, nothing is parked,
 * because then the event is not the cause (G6).
 *
 * An event that fails alone for an unknown reason is held instead. The batch is committed up to
 * that event, and first-event.ts finds out whether the event is the cause.
 *
 * A transaction uses at most SAVEPOINTS_MAX subtransactions. PostgreSQL caches 64 of them for each
 * session; with more the cache overflows and every reader becomes slower (manual, section 67.3).
 * What is settled by then is committed with its position, and the rest comes in the next batch.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import { faultOf, HandlerFailure, parkReasonOf, sqlStateBehind } from '../handlers/run-handlers.ts';
import type { DecodedBatch, EventRecord, InvalidRecord } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { type DeadLetter, insertDeadLetters } from '../store/dead-letters.ts';
import { holdOrders, lockHeldOrders } from '../store/held-orders.ts';
import { findClaims } from '../store/processed-events.ts';
import type { Transaction } from '../store/queryable.ts';
import { checkDeferredConstraints, inSavepoint } from '../store/transaction.ts';
import type { BatchContext, HeldEvent, Settled } from './batch.ts';
import { allRefused } from './blame.ts';
import { settleRecords } from './settle-records.ts';
import { witnessesOf } from './witnesses.ts';

export const SAVEPOINTS_MAX = 50;

/** The records of a slice, decoded. */
export type Batch = DecodedBatch & { readonly slice: LogSlice };
export type Item = EventRecord | InvalidRecord;

const NOTHING: Settled = {
  stored: 0,
  storedRecords: [],
  duplicates: [],
  conflicts: [],
  deadLetters: [],
};

/** Why an event is parked, for its dead letter. */
export type Verdict = {
  readonly failure: unknown;
  readonly reason: string;
  readonly attempts: number;
};

/** Thrown to roll back what was only tried. Not an error. */
class Probed extends Error {
  readonly stored: number;

  constructor(stored: number) {
    super('It was only tried');
    this.stored = stored;
  }
}

/** Isolates within one transaction, which belongs to the caller. */
export class Isolation {
  /** What has been settled so far in this transaction. */
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

  /**
   * Settles as many records as possible.
   * @param items all records of the slice, in log order.
   * @returns the offset behind the settled prefix; and `held`, if an event there is held.
   */
  async run(items: readonly Item[]): Promise<{ next: number; held?: HeldEvent }> {
    // A stack of the halves still to try. The earliest in the log is on top.
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
      const [failing] = half as [Item];
      const held = await this.#settleFailing(failing, failure, pending.toReversed().flat());
      if (held !== null) return { next: failing.record.offset, held };
    }
    return { next: pending.at(-1)?.[0]?.record.offset ?? this.#slice.next };
  }

  /**
   * Settles these records as a whole.
   * @throws whatever failed. The caller must then roll back, to its savepoint if it has one.
   */
  async settle(items: readonly Item[]): Promise<Settled> {
    // Dead letters are always looked at: an earlier part of this batch may have parked an event.
    const mode = { kind: 'batch', anyClaims: true, mayPark: true } as const;
    const settled = await settleRecords(this.#tx, this.#context, decodedBatchOf(items), mode);
    await checkDeferredConstraints(this.#tx);
    const merged = merge(this.settled, settled);
    // Events that this deployment cannot take were parked along with the others.
    if (settled.deadLetters.some(isParkedEvent)) this.#assertMayPark(merged);
    this.settled = merged;
    return settled;
  }

  /**
   * Tries these records in a savepoint.
   * @param isProbe roll them back in any case; it succeeds if one of them would be stored.
   * @returns null on success; otherwise the failure, after which nothing of them is left.
   */
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

  /**
   * Parks an event that was refused alone, if others succeed.
   * @returns null once it is settled; otherwise why it is held.
   * @throws ALL_REFUSED, HANDLERS_REFUSE_TOO_MUCH, CLAIM_RACE
   */
  async #settleFailing(
    failing: Item,
    failure: unknown,
    later: readonly Item[],
  ): Promise<HeldEvent | null> {
    // For an invalid record only a dead letter is written. If that is refused, it is an outage.
    if (!('event' in failing)) throw failure;
    if (faultOf(failure) !== 'refused') return holdOf(failing, failure);
    const success = await this.#othersSucceed(later);
    const isUnproven = success === 'unknown' && !isTakenAtWord(this.#context, failure);
    if (success === 'none' || isUnproven) throw allRefused(failure);
    // The cause of the refusal may have ended before the others succeeded, so it is tried again.
    const again = success === 'now' ? await this.#attempt([failing]) : failure;
    if (again === null) return null;
    if (faultOf(again) !== 'refused') return holdOf(failing, again);
    await this.#assertFree(failing.event.eventId, again);
    await this.#park(failing, { failure: again, reason: parkReasonOf(again), attempts: 1 });
    return null;
  }

  /**
   * An event whose id is taken must not be parked, because its id would then be claimed twice.
   * Either another partition has taken the id in the meantime, which the next attempt sees; or
   * what failed is writing this record's duplicate or conflict.
   * @throws CLAIM_RACE
   */
  async #assertFree(eventId: string, failure: unknown): Promise<void> {
    if ((await findClaims(this.#tx, [eventId])).size === 0) return;
    const message = `Another record has the event id ${eventId}: ${messageOf(failure)}`;
    throw new OrderonceError('CLAIM_RACE', message, { cause: failure });
  }

  /**
   * Whether other events succeed. `before`: earlier in this transaction; `now`: a witness did;
   * `none`: no witness did; `unknown`: there was no witness.
   */
  async #othersSucceed(later: readonly Item[]): Promise<'before' | 'now' | 'none' | 'unknown'> {
    if (this.settled.stored > 0) return 'before';
    const witnesses = witnessesOf(later.filter((item) => 'event' in item));
    for (const item of witnesses) {
      if ((await this.#attempt([item], true)) === null) return 'now';
    }
    return witnesses.length === 0 ? 'unknown' : 'none';
  }

  /**
   * Parks the event without running its handlers.
   * @returns false if its id is taken or its order held.
   */
  async parkUnrun(event: EventRecord, verdict: Verdict): Promise<boolean> {
    if ((await findClaims(this.#tx, [event.event.eventId])).size > 0) return false;
    // Behind a parked event of its order it has to wait instead, which settle() does.
    if ((await lockHeldOrders(this.#tx, [event.event.orderId])).size > 0) return false;
    await this.#park(event, verdict);
    return true;
  }

  /** @throws HANDLERS_REFUSE_TOO_MUCH */
  #assertMayPark({ deadLetters, stored }: Settled): void {
    this.#context.parkGuard.assertMayPark(deadLetters.filter(isParkedEvent).length, stored);
  }

  /**
   * Writes the dead letter, which takes the event's id, and holds the event's order from now on.
   */
  async #park(item: EventRecord, { failure, reason, attempts }: Verdict) {
    const deadLetter: DeadLetter = {
      record: item.record,
      event: item,
      state: 'parked',
      reason,
      detail: { message: messageOf(failure) },
      sqlState: sqlStateBehind(failure),
      attempts,
    };
    const merged = merge(this.settled, { ...NOTHING, deadLetters: [deadLetter] });
    this.#assertMayPark(merged);
    await insertDeadLetters(this.#tx, this.#context.logId, [deadLetter]);
    await holdOrders(this.#tx, [item.event.orderId]);
    this.settled = merged;
  }
}

function isParkedEvent({ state, event }: DeadLetter): boolean {
  return event !== undefined && state === 'parked';
}

/**
 * Whether a refusal is enough to park an event although no other event could be tried. A handler's
 * TerminalError always is. For other refusals see `ParkGuard.takeAtWord`.
 */
export function isTakenAtWord({ parkGuard }: BatchContext, failure: unknown): boolean {
  return (failure instanceof HandlerFailure && failure.isTerminal) || parkGuard.takeAtWord();
}

/** How an event that has just failed alone is held; the failure is not confirmed yet. */
export function holdOf({ record }: EventRecord, failure: unknown): HeldEvent {
  const { offset } = record;
  const isOutage = failure instanceof HandlerFailure && failure.isOutage;
  const reason = messageOf(failure);
  return { offset, code: 'HANDLER_FAILS', reason, attempts: 0, isConfirmed: false, isOutage };
}

/** The reason of a failure, at most 1000 characters. */
export function messageOf(failure: unknown): string {
  return reasonOf(failure).slice(0, 1000);
}

function decodedBatchOf(items: readonly Item[]): DecodedBatch {
  return {
    events: items.filter((item) => 'event' in item),
    invalid: items.filter((item): item is InvalidRecord => !('event' in item)),
  };
}

function merge(a: Settled, b: Settled): Settled {
  return {
    stored: a.stored + b.stored,
    storedRecords: [...a.storedRecords, ...b.storedRecords],
    duplicates: [...a.duplicates, ...b.duplicates],
    conflicts: [...a.conflicts, ...b.conflicts],
    deadLetters: [...a.deadLetters, ...b.deadLetters],
  };
}
