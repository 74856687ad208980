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
  type HandlerSet,
  parkReasonOf,
  runHandlers,
  sqlStateBehind,
} from '../handlers/run-handlers.ts';
import { decodeRecords, type EventRecord } from '../log/decoded-record.ts';
import { insertConflicts } from '../store/conflicts.ts';
import {
  deleteLetter,
  discardLetter,
  findLetter,
  headOfQueue,
  type LetterPlace,
  lockLetter,
  noteFailure,
  type StoredLetter,
  writeAudit,
} from '../store/dead-letter-queue.ts';
import { insertDuplicates } from '../store/duplicates.ts';
import { lockHeldOrders, releaseOrderIfEmpty } from '../store/held-orders.ts';
import type { Pool, Transaction } from '../store/pool.ts';
import { findStored, insertEvents } from '../store/processed-events.ts';
import { inTransaction } from '../store/transaction.ts';

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

export type RedriveResult = LetterPlace & {
  readonly outcome: RedriveOutcome;
  readonly message?: string;
};

const LIMITS = { lockMs: 10_000, statementMs: 30_000, idleMs: 30_000 };

/** Redrives one dead letter, and whatever waits behind it. @returns a result for each one tried. */
export async function redrive(
  context: RedriveContext,
  place: LetterPlace,
): Promise<RedriveResult[]> {
  const letter = await findLetter(context.pool, place);
  if (letter === null || letter.state === 'discarded') return [{ ...place, outcome: 'gone' }];
  const event = eventOf(letter);
  if (event === null) return [{ ...place, outcome: 'invalid' }];
  const first = await redriveOne(context, place, event);
  const hasPassed = !['failed', 'behind'].includes(first.outcome);
  return hasPassed ? [first, ...(await followQueue(context, place, event.event.orderId))] : [first];
}

/**
 * Takes it out of its order's queue for good: its id stays taken, it never takes effect. Those
 * that wait behind it follow. @returns the results of these.
 * @throws DEAD_LETTER_UNKNOWN
 */
export async function discard(
  context: RedriveContext,
  place: LetterPlace,
  reason: string,
): Promise<RedriveResult[]> {
  const { pool, actor } = context;
  const found = await findLetter(pool, place);
  if (found === null)
    throw new OrderonceError('DEAD_LETTER_UNKNOWN', 'There is no such dead letter');
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
  return orderId === null ? [] : await followQueue(context, place, orderId);
}

/** Those that wait follow while they succeed; a parked one that stands next has to be asked for. */
async function followQueue(
  context: RedriveContext,
  place: LetterPlace,
  orderId: string,
): Promise<RedriveResult[]> {
  const results: RedriveResult[] = [];
  for (;;) {
    const head = await headOfQueue(context.pool, orderId, place);
    const letter = head && (await findLetter(context.pool, head));
    const event = letter?.state === 'waiting' ? eventOf(letter) : null;
    if (head === null || event === null) return results;
    const result = await redriveOne(context, head, event);
    results.push(result);
    if (result.outcome === 'failed' || result.outcome === 'behind') return results;
  }
}

async function redriveOne(
  context: RedriveContext,
  place: LetterPlace,
  event: EventRecord,
): Promise<RedriveResult> {
  const { orderId } = event.event;
  const { pool, actor } = context;
  return await inTransaction(pool, LIMITS, async (tx) => {
    await lockHeldOrders(tx, [orderId]);
    const letter = await lockLetter(tx, place);
    if (letter === null || letter.state === 'discarded') return { ...place, outcome: 'gone' };
    const head = await headOfQueue(tx, orderId, place);
    if (head !== null && head.offset < place.offset) return { ...place, outcome: 'behind' };
    const result = await settleAgain(context, tx, place, event);
    if (result.outcome !== 'failed') {
      await deleteLetter(tx, place);
      await releaseOrderIfEmpty(tx, orderId);
    }
    const { outcome, message } = result;
    const entry = { actor, action: 'redrive', outcome, eventId: event.event.eventId } as const;
    await writeAudit(tx, place, message === undefined ? entry : { ...entry, detail: message });
    return result;
  });
}

/** Insert, classify, handlers: as in the heart, for one event, in a savepoint. */
async function settleAgain(
  { handlers }: RedriveContext,
  tx: Transaction,
  place: LetterPlace,
  event: EventRecord,
): Promise<RedriveResult> {
  await tx.query('SAVEPOINT redrive');
  try {
    const stored = await insertEvents(tx, place, [event]);
    if (stored.size === 0) return { ...place, outcome: await noteRepeat(tx, place, event) };
    const { partition, offset } = place;
    await runHandlers(handlers, tx, [{ ...event.event, partition, offset }]);
    await tx.query('SET CONSTRAINTS ALL IMMEDIATE');
    return { ...place, outcome: 'stored' };
  } catch (error) {
    if (faultOf(error) === 'outage') throw error;
    await tx.query('ROLLBACK TO SAVEPOINT redrive');
    const message = reasonOf(error).slice(0, 1000);
    const reason = parkReasonOf(error);
    await noteFailure(tx, place, { reason, message, sqlState: sqlStateBehind(error) });
    return { ...place, outcome: 'failed', message };
  }
}

/** The id was stored meanwhile: this record is a duplicate of that one, or in conflict with it. */
async function noteRepeat(
  tx: Transaction,
  place: LetterPlace,
  event: EventRecord,
): Promise<'duplicate' | 'conflict'> {
  const claim = await findStored(tx, event.event.eventId);
  if (claim === null) {
    throw new OrderonceError('OUTCOMES_DO_NOT_ADD_UP', 'An id is neither new nor stored');
  }
  const isSame = claim.digest === event.digest;
  if (isSame) await insertDuplicates(tx, place, [{ event, claim }]);
  else await insertConflicts(tx, place, [{ event, claim }]);
  return isSame ? 'duplicate' : 'conflict';
}

/** The event that a letter's bytes hold, at its own place in the log; null where they hold none. */
function eventOf({ key, value, headers, offset, appendedAt }: StoredLetter): EventRecord | null {
  const bytes = (base64: string | null) => (base64 === null ? null : Buffer.from(base64, 'base64'));
  const record = {
    offset,
    key,
    value,
    headers: headers.map(([name, content]) => [bytes(name), bytes(content)] as const),
    appendedMs: appendedAt?.getTime() ?? 0,
  };
  return decodeRecords([record]).events[0] ?? null;
}
