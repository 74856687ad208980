/**
 * Redrives dead letters: one at a time (redrive-one.ts), then what waits behind it. When the head of
 * an order's queue has taken effect, the waiting events behind it follow in log order, until one
 * fails.
 */
import { OrderonceError } from '../errors.ts';
import {
  type DeadLetterFilter,
  discardDeadLetter,
  findDeadLetter,
  headOfQueue,
  listDeadLetters,
  lockDeadLetter,
  writeAudit,
} from '../store/dead-letter-queue.ts';
import { lockHeldOrders, releaseOrderIfEmpty } from '../store/held-orders.ts';
import type { LogPlace } from '../store/log-place.ts';
import { inTransaction } from '../store/transaction.ts';
import { editOf, eventOf, type RedriveInput } from './dead-letter-event.ts';
import { LIMITS, type RedriveContext, type RedriveResult, redriveOne } from './redrive-one.ts';

const PAGE = 200;

/** Redrives one dead letter, and whatever waits behind it. @returns a result for each one tried. */
export async function redrive(context: RedriveContext, place: LogPlace): Promise<RedriveResult[]> {
  const deadLetter = await findDeadLetter(context.pool, place);
  if (deadLetter === null || deadLetter.state === 'discarded')
    return [{ ...place, outcome: 'gone' }];
  const event = eventOf(deadLetter);
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
  const deadLetter = await findDeadLetter(context.pool, place);
  if (deadLetter === null || deadLetter.state === 'discarded')
    return [{ ...place, outcome: 'gone' }];
  return await redriveWithQueue(context, place, editOf(deadLetter, payload));
}

/** What became of one dead letter that was asked for, and of those that followed it. */
export type RedriveStep = { readonly asked: LogPlace; readonly results: readonly RedriveResult[] };

/**
 * Redrives all parked dead letters that the filter names, in log order; what waits follows by itself.
 * Gives the results of each as they come. One that fails is passed over.
 */
export async function* redriveMatching(
  context: RedriveContext,
  filter: Omit<DeadLetterFilter, 'state' | 'limit'>,
): AsyncGenerator<RedriveStep> {
  let after = filter.after;
  for (;;) {
    const wanted = { ...filter, state: 'parked', limit: PAGE } as const;
    const deadLetters = await listDeadLetters(context.pool, { ...wanted, after });
    for (const asked of deadLetters) yield { asked, results: await redrive(context, asked) };
    after = deadLetters.at(-1);
    if (after === undefined) return;
  }
}

async function redriveWithQueue(
  context: RedriveContext,
  place: LogPlace,
  input: RedriveInput,
): Promise<RedriveResult[]> {
  const first = await redriveOne(context, place, input);
  const hasPassed = !['failed', 'behind'].includes(first.outcome);
  const { orderId } = input.event.event;
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
  const found = await findDeadLetter(pool, place);
  if (found === null) {
    throw new OrderonceError('DEAD_LETTER_UNKNOWN', 'There is no such dead letter');
  }
  // Only a dead letter that decoded holds its order.
  const orderId = found.digest === null ? null : found.orderId;
  await inTransaction(pool, LIMITS, async (tx) => {
    if (orderId !== null) await lockHeldOrders(tx, [orderId]);
    const deadLetter = await lockDeadLetter(tx, place);
    if (deadLetter === null || deadLetter.state === 'discarded') return;
    await discardDeadLetter(tx, place);
    const { eventId } = deadLetter;
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
    const deadLetter = head && (await findDeadLetter(context.pool, head));
    const event = deadLetter?.state === 'waiting' ? eventOf(deadLetter) : null;
    if (head === null || event === null) return results;
    const result = await redriveOne(context, head, { event });
    results.push(result);
    if (result.outcome === 'failed' || result.outcome === 'behind') return results;
  }
}
