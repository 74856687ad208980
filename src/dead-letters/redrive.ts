/**
 * Redrives dead letters. When the first of an order's queue has taken effect, the waiting events
 * behind it follow in log order, until one fails. Each is redriven in a transaction of its own
 * (redrive-one.ts).
 */
import { OrderonceError } from '../errors.ts';
import {
  type DeadLetterFilter,
  discardDeadLetter,
  findDeadLetter,
  findInterruptedQueues,
  headOfQueue,
  listDeadLetters,
  lockDeadLetter,
  writeAudit,
} from '../store/dead-letter-queue.ts';
import { lockHeldOrders, releaseOrderIfEmpty } from '../store/held-orders.ts';
import { isSamePlace, type LogPlace } from '../store/log-place.ts';
import { inTransaction } from '../store/transaction.ts';
import { editOf, eventOf, type RedriveInput } from './dead-letter-event.ts';
import { LIMITS, type RedriveContext, type RedriveResult, redriveOne } from './redrive-one.ts';

const PAGE = 200;

/** Redrives a dead letter and those that wait behind it. @returns a result for each one tried. */
export async function redrive(context: RedriveContext, place: LogPlace): Promise<RedriveResult[]> {
  const deadLetter = await findDeadLetter(context.pool, place);
  if (deadLetter === null || deadLetter.state === 'discarded')
    return [{ ...place, outcome: 'gone' }];
  const event = await eventOf(context.pool, deadLetter, context.rules);
  if (event === null) return [{ ...place, outcome: 'invalid' }];
  return await redriveWithQueue(context, place, {
    event,
    takesId: deadLetter.digest === null,
  });
}

/**
 * Redrives a dead letter with another payload than the record's. The audit keeps both payloads. If
 * the record decoded, the stored row keeps its digest, so a resend of the record is a duplicate.
 *
 * @param payload the whole event, as for POST /events. Ids of the record cannot be edited.
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
  const edit = await editOf(context.pool, deadLetter, payload, context.rules);
  return await redriveWithQueue(context, place, edit);
}

/** The results of one dead letter that matched, and of those that followed it. */
export type RedriveStep = { readonly asked: LogPlace; readonly results: readonly RedriveResult[] };

/**
 * Redrives all parked dead letters that match the filter, in log order, each with those that wait
 * behind it; then, unless the filter has a reason or an event id, the waiting ones whose queue was
 * interrupted. Yields the results of each as they come. A failed one does not stop the others.
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
    if (after === undefined) break;
  }
  if (filter.reason === undefined && filter.eventId === undefined) {
    yield* resumeQueues(context, filter.orderId);
  }
}

async function* resumeQueues(
  context: RedriveContext,
  orderId: string | undefined,
): AsyncGenerator<RedriveStep> {
  let after: string | undefined;
  for (;;) {
    const wanted = { orderId, limit: PAGE, ...(after === undefined ? {} : { after }) };
    const orders = await findInterruptedQueues(context.pool, wanted);
    for (const order of orders) {
      const results = await followQueue(context, order);
      const [first] = results;
      if (first !== undefined) yield { asked: first, results };
    }
    after = orders.at(-1);
    if (after === undefined) return;
  }
}

async function redriveWithQueue(
  context: RedriveContext,
  place: LogPlace,
  input: RedriveInput,
): Promise<RedriveResult[]> {
  let first = await redriveOne(context, place, input);
  const { orderId } = input.event.event;
  // Those before it may only wait, because their queue was interrupted: then they go first.
  const earlier = first.outcome === 'behind' ? await followQueue(context, orderId, place) : [];
  if (earlier.length > 0) first = await redriveOne(context, place, input);
  const hasPassed = !['failed', 'behind'].includes(first.outcome);
  const later = hasPassed ? await followQueue(context, orderId) : [];
  return [...earlier, first, ...later];
}

/**
 * Discards a dead letter for good. It leaves its order's queue and never takes effect, but its id
 * stays taken. Then redrives those that wait behind it.
 * @returns the results of those.
 * @throws DEAD_LETTER_UNKNOWN
 */
export async function discard(
  context: RedriveContext,
  place: LogPlace,
  reason: string,
): Promise<RedriveResult[]> {
  const { pool, actor, redriveId } = context;
  const found = await findDeadLetter(pool, place);
  if (found === null) {
    throw new OrderonceError('DEAD_LETTER_UNKNOWN', 'There is no such dead letter');
  }
  // Only a dead letter whose record decoded holds its order.
  const orderId = found.digest === null ? null : found.orderId;
  await inTransaction(pool, LIMITS, async (tx) => {
    if (orderId !== null) await lockHeldOrders(tx, [orderId]);
    const deadLetter = await lockDeadLetter(tx, place);
    if (deadLetter === null || deadLetter.state === 'discarded') return;
    await discardDeadLetter(tx, place);
    const { eventId } = deadLetter;
    const entry = { actor, action: 'discard', outcome: 'discarded', eventId, redriveId } as const;
    await writeAudit(tx, place, { ...entry, detail: reason });
    if (orderId !== null) await releaseOrderIfEmpty(tx, orderId);
  });
  return orderId === null ? [] : await followQueue(context, orderId);
}

/**
 * Redrives the waiting events of an order, until one fails or the next is parked.
 * @param until stops before this one.
 */
export async function followQueue(
  context: RedriveContext,
  orderId: string,
  until?: LogPlace,
): Promise<RedriveResult[]> {
  const results: RedriveResult[] = [];
  for (;;) {
    const head = await headOfQueue(context.pool, orderId);
    const deadLetter = head && (await findDeadLetter(context.pool, head));
    const isWaiting = deadLetter?.state === 'waiting';
    const event = isWaiting ? await eventOf(context.pool, deadLetter, context.rules) : null;
    if (head === null || event === null) return results;
    if (until !== undefined && isSamePlace(head, until)) return results;
    const result = await redriveOne(context, head, { event, takesId: false });
    results.push(result);
    if (result.outcome === 'failed' || result.outcome === 'behind') return results;
  }
}
