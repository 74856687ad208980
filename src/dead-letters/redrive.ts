/**
 * The way back for dead letters. Each one has a transaction of its own, which locks the order's
 * held row first, so that it and an arriving event of the same order never pass each other:
 *
 *   lock held row → lock letter → is it the head of its order's queue? → insert, handlers →
 *   delete letter, write audit → let the order go if its queue is empty → COMMIT
 *
 * A redrive takes effect once, however often and by however many it is asked for: the letter's row
 * is the ticket. It moves no position and keeps the record's own place and digest. When the head
 * has gone through, those that wait behind it follow, in log order, until one fails.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import {
  faultOf,
  HandlerFailure,
  type HandlerSet,
  parkReasonOf,
  runHandlers,
  sqlStateBehind,
} from '../handlers/run-handlers.ts';
import { repeatOf } from '../inbox/provenance.ts';
import type { EventRecord } from '../log/decoded-record.ts';
import { insertConflicts } from '../store/conflicts.ts';
import {
  deleteLetter,
  discardLetter,
  findLetter,
  headOfQueue,
  type LetterFilter,
  listLetters,
  lockLetter,
  noteFailure,
  writeAudit,
} from '../store/dead-letter-queue.ts';
import { insertDuplicates } from '../store/duplicates.ts';
import { lockHeldOrders, releaseOrderIfEmpty } from '../store/held-orders.ts';
import { isSamePlace, type LogPlace } from '../store/log-place.ts';
import type { Pool, Transaction } from '../store/pool.ts';
import { type Claim, findClaims, insertEvents } from '../store/processed-events.ts';
import { sqlStateOf } from '../store/sqlstate.ts';
import { inStoringTransaction, inTransaction } from '../store/transaction.ts';
import { editOf, eventOf, type Wish } from './letter-event.ts';

export type RedriveContext = {
  readonly pool: Pool;
  readonly handlers: HandlerSet;
  /** Who asks, for the audit. */
  readonly actor: string;
};

export type RedriveOutcome =
  /** Took effect now. */
  | 'stored'
  /** Its id had been stored meanwhile, with the same payload or with another one. */
  | 'duplicate'
  | 'conflict'
  /** Refused again; it stays parked, with the new reason. */
  | 'failed'
  /** An earlier event of its order is parked: that one goes first. */
  | 'behind'
  /** No such dead letter, or a discarded one: nothing was done. */
  | 'gone'
  /** Its bytes are no valid event. */
  | 'invalid';

export type RedriveResult = LogPlace & {
  readonly outcome: RedriveOutcome;
  readonly message?: string;
};

const PAGE = 200;
const DEADLOCK = '40P01';
const ATTEMPTS_MAX = 5;
const LIMITS = { lockMs: 10_000, statementMs: 30_000, idleMs: 30_000 };

/** Redrives one dead letter, and whatever waits behind it. @returns a result for each one tried. */
export async function redrive(context: RedriveContext, place: LogPlace): Promise<RedriveResult[]> {
  const letter = await findLetter(context.pool, place);
  if (letter === null || letter.state === 'discarded') return [{ ...place, outcome: 'gone' }];
  const event = eventOf(letter);
  if (event === null) return [{ ...place, outcome: 'invalid' }];
  return await redriveWithQueue(context, place, { event });
}

/**
 * The same with another payload in place of the record's. Both payloads stand in the audit; the
 * stored row keeps the digest of the record, so that a resend of it stays a duplicate.
 *
 * @param payload the whole event, as POST /events takes it. Ids that decoded cannot be edited.
 * @throws EDIT_REFUSED
 */
export async function redriveEdited(
  context: RedriveContext,
  place: LogPlace,
  payload: Buffer,
): Promise<RedriveResult[]> {
  const letter = await findLetter(context.pool, place);
  if (letter === null || letter.state === 'discarded') return [{ ...place, outcome: 'gone' }];
  return await redriveWithQueue(context, place, editOf(letter, payload));
}

/** What became of one letter that was asked for, and of those that followed it. */
export type RedriveStep = { readonly asked: LogPlace; readonly results: readonly RedriveResult[] };

/**
 * Redrives all parked letters that the filter names, in log order; what waits follows by itself.
 * Gives the results of each as they come. One that fails is passed over.
 */
export async function* redriveMatching(
  context: RedriveContext,
  filter: Omit<LetterFilter, 'state' | 'limit'>,
): AsyncGenerator<RedriveStep> {
  let after = filter.after;
  for (;;) {
    const wanted = { ...filter, state: 'parked', limit: PAGE } as const;
    const letters = await listLetters(context.pool, { ...wanted, after });
    for (const asked of letters) yield { asked, results: await redrive(context, asked) };
    after = letters.at(-1);
    if (after === undefined) return;
  }
}

async function redriveWithQueue(
  context: RedriveContext,
  place: LogPlace,
  wish: Wish,
): Promise<RedriveResult[]> {
  const first = await redriveOne(context, place, wish);
  const hasPassed = !['failed', 'behind'].includes(first.outcome);
  const { orderId } = wish.event.event;
  return hasPassed ? [first, ...(await followQueue(context, orderId))] : [first];
}

/**
 * Takes it out of its order's queue for good: its id stays taken, it never takes effect. Those
 * that wait behind it follow. @returns the results of these.
 * @throws DEAD_LETTER_UNKNOWN
 */
export async function discard(
  context: RedriveContext,
  place: LogPlace,
  reason: string,
): Promise<RedriveResult[]> {
  const { pool, actor } = context;
  const found = await findLetter(pool, place);
  if (found === null) {
    throw new OrderonceError('DEAD_LETTER_UNKNOWN', 'There is no such dead letter');
  }
  // Only a letter that decoded holds its order.
  const orderId = found.digest === null ? null : found.orderId;
  await inTransaction(pool, LIMITS, async (tx) => {
    if (orderId !== null) await lockHeldOrders(tx, [orderId]);
    const letter = await lockLetter(tx, place);
    if (letter === null || letter.state === 'discarded') return;
    await discardLetter(tx, place);
    const { eventId } = letter;
    const entry = { actor, action: 'discard', outcome: 'discarded', eventId } as const;
    await writeAudit(tx, place, { ...entry, detail: reason });
    if (orderId !== null) await releaseOrderIfEmpty(tx, orderId);
  });
  return orderId === null ? [] : await followQueue(context, orderId);
}

/** Those that wait follow while they succeed; a parked one that stands next has to be asked for. */
async function followQueue(context: RedriveContext, orderId: string): Promise<RedriveResult[]> {
  const results: RedriveResult[] = [];
  for (;;) {
    const head = await headOfQueue(context.pool, orderId);
    const letter = head && (await findLetter(context.pool, head));
    const event = letter?.state === 'waiting' ? eventOf(letter) : null;
    if (head === null || event === null) return results;
    const result = await redriveOne(context, head, { event });
    results.push(result);
    if (result.outcome === 'failed' || result.outcome === 'behind') return results;
  }
}

async function redriveOne(
  context: RedriveContext,
  place: LogPlace,
  wish: Wish,
): Promise<RedriveResult> {
  // An edited record may take an id that it did not hold: nobody may park that id meanwhile.
  const begin = wish.edited === undefined ? inTransaction : inStoringTransaction;
  for (let attempt = 1; ; attempt++) {
    try {
      return await begin(context.pool, LIMITS, (tx) => redriveIn(tx, context, place, wish));
    } catch (error) {
      // It took the transaction along: it failed like any other, and the next one has its turn.
      if (error instanceof HandlerFailure) return await noteFailed(context, place, wish, error);
      // A batch that parks takes held orders first and the lock of an edit last.
      if (sqlStateOf(error) !== DEADLOCK || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/** In a transaction of its own. */
async function noteFailed(
  { pool, actor }: RedriveContext,
  place: LogPlace,
  { event, edited }: Wish,
  error: HandlerFailure,
): Promise<RedriveResult> {
  const { eventId, orderId } = event.event;
  return await inTransaction(pool, LIMITS, async (tx) => {
    await lockHeldOrders(tx, [orderId]);
    const letter = await lockLetter(tx, place);
    if (letter === null || letter.state === 'discarded') return { ...place, outcome: 'gone' };
    const result = await failedAgain(tx, place, error);
    const action = edited === undefined ? 'redrive' : 'edit';
    const { outcome, message: detail } = result;
    await writeAudit(tx, place, { actor, action, outcome, eventId, detail, edited });
    return result;
  });
}

async function failedAgain(
  tx: Transaction,
  place: LogPlace,
  error: unknown,
): Promise<RedriveResult> {
  const message = reasonOf(error).slice(0, 1000);
  const reason = parkReasonOf(error);
  await noteFailure(tx, place, { reason, message, sqlState: sqlStateBehind(error) });
  return { ...place, outcome: 'failed', message };
}

async function redriveIn(
  tx: Transaction,
  context: RedriveContext,
  place: LogPlace,
  { event, edited }: Wish,
): Promise<RedriveResult> {
  const { eventId, orderId } = event.event;
  await lockHeldOrders(tx, [orderId]);
  const letter = await lockLetter(tx, place);
  if (letter === null || letter.state === 'discarded') return { ...place, outcome: 'gone' };
  const head = await headOfQueue(tx, orderId, place);
  if (head === null || !isSamePlace(head, place)) return { ...place, outcome: 'behind' };
  const result = await settleAgain(context, tx, place, event);
  const { outcome, message: detail } = result;
  const action = edited === undefined ? 'redrive' : 'edit';
  const { actor } = context;
  await writeAudit(tx, place, { actor, action, outcome, eventId, detail, edited });
  if (outcome !== 'failed') {
    await deleteLetter(tx, place);
    await releaseOrderIfEmpty(tx, orderId);
  }
  return result;
}

/** Insert, classify, handlers: as in the heart, for one event, in a savepoint. */
async function settleAgain(
  { handlers, pool }: RedriveContext,
  tx: Transaction,
  place: LogPlace,
  event: EventRecord,
): Promise<RedriveResult> {
  await tx.query('SAVEPOINT redrive');
  try {
    const rival = await rivalOf(tx, place, event);
    const { stored } =
      rival === null
        ? await insertEvents(tx, place.logId, [event], { ...handlers, isLate: true })
        : { stored: [] };
    if (stored.length === 0) return { ...place, outcome: await noteRepeat(tx, place, event) };
    const { partition, offset } = place;
    await runHandlers(handlers, tx, pool, [{ ...event.event, partition, offset }]);
    await tx.query('SET CONSTRAINTS ALL IMMEDIATE');
    return { ...place, outcome: 'stored' };
  } catch (error) {
    if (faultOf(error) === 'outage') throw error;
    // A handler may have ended the session: then its failure is what is to be told.
    await tx.query('ROLLBACK TO SAVEPOINT redrive').catch(() => {
      throw error;
    });
    return await failedAgain(tx, place, error);
  }
}

/** Another record that has taken this id, stored or set aside; or null. */
async function rivalOf(
  tx: Transaction,
  place: LogPlace,
  { event }: EventRecord,
): Promise<Claim | null> {
  const claim = (await findClaims(tx, [event.eventId])).get(event.eventId);
  return claim === undefined || isSamePlace(claim, place) ? null : claim;
}

/** The id is taken: this record is a duplicate of that one, or in conflict with it. */
async function noteRepeat(
  tx: Transaction,
  place: LogPlace,
  event: EventRecord,
): Promise<'duplicate' | 'conflict'> {
  const claim = await rivalOf(tx, place, event);
  if (claim === null) {
    throw new OrderonceError('OUTCOMES_DO_NOT_ADD_UP', 'An id is neither new nor stored');
  }
  const isSame = claim.digest === event.digest;
  const repeat = { ...repeatOf(event, claim), source: 'redrive' } as const;
  if (isSame) await insertDuplicates(tx, place.logId, [repeat]);
  else await insertConflicts(tx, place.logId, [repeat]);
  return isSame ? 'duplicate' : 'conflict';
}
