/**
 * Redrives one dead letter in a transaction of its own:
 *
 * 1. Lock the order's row in held_orders. It comes first, so that a redrive and an arriving event
 *    of the same order cannot overtake each other.
 * 2. Lock the dead letter, and check that it is the first of its order's queue.
 * 3. Settle its event, in the same way as any other.
 * 4. Write the audit and delete the dead letter.
 * 5. Release the order if its queue is empty. COMMIT.
 *
 * A redrive takes effect once, however often and by however many it is requested, because it needs
 * the dead letter's row and deletes it. It moves no position, and keeps the record's own place and
 * digest.
 */

import { reasonOf } from '../errors.ts';
import {
  faultOf,
  HandlerFailure,
  type HandlerSet,
  parkReasonOf,
  sqlStateBehind,
} from '../handlers/run-handlers.ts';
import type { Settled } from '../inbox/batch.ts';
import { settleRecords } from '../inbox/settle-records.ts';
import type { RecordRules } from '../log/decode-hook.ts';
import { type EventRecord, UnfitEvent } from '../log/decoded-record.ts';
import {
  deleteDeadLetter,
  headOfQueue,
  lockDeadLetter,
  noteFailure,
  writeAudit,
} from '../store/dead-letter-queue.ts';
import { lockHeldOrders, releaseOrderIfEmpty } from '../store/held-orders.ts';
import { isSamePlace, type LogPlace } from '../store/log-place.ts';
import type { Projection } from '../store/orders-projection.ts';
import type { Pool } from '../store/pool.ts';
import type { Transaction } from '../store/queryable.ts';
import { isConnectionBroken, sqlStateOf } from '../store/sqlstate.ts';
import {
  checkDeferredConstraints,
  inSavepoint,
  inStoringTransaction,
  inTransaction,
} from '../store/transaction.ts';
import { inRedrive } from '../tracing/tracing.ts';
import type { RedriveInput } from './dead-letter-event.ts';

export type RedriveContext = {
  readonly pool: Pool;
  readonly handlers: HandlerSet;
  readonly rules: RecordRules;
  /** null: the table `orders` is not kept (ORDERS_PROJECTION=off). */
  readonly projection: Projection | null;
  /** Who requests the redrive, for the audit. */
  readonly actor: string;
  /** The job that the redrive belongs to, for the audit. */
  readonly redriveId?: number;
  /** Called with the outcome of each redrive, for metrics. */
  readonly onRedriven?: ((outcome: RedriveOutcome) => void) | undefined;
};

export type RedriveOutcome =
  /** It has taken effect now. */
  | 'stored'
  /** Another record has taken its id: with the same payload, or with another one. */
  | 'duplicate'
  | 'conflict'
  /** It was refused again. It stays parked, with the new reason. */
  | 'failed'
  /** An earlier event of its order is parked and must be redriven first. */
  | 'behind'
  /** The dead letter does not exist or is discarded. Nothing was done. */
  | 'gone'
  /** Its bytes are no valid event. Nothing was done. */
  | 'invalid';

export type RedriveResult = LogPlace & {
  readonly outcome: RedriveOutcome;
  readonly message?: string;
};

/** Limits of the transaction, in ms. */
export const LIMITS = { lockMs: 10_000, statementMs: 30_000, idleMs: 30_000 };
const DEADLOCK = '40P01';
const ATTEMPTS_MAX = 5;

/**
 * Redrives one dead letter, and not those that wait behind it.
 * @param place of the dead letter.
 * @throws an outage. Nothing has been changed then.
 */
export async function redriveOne(
  context: RedriveContext,
  place: LogPlace,
  input: RedriveInput,
): Promise<RedriveResult> {
  const { record } = input.event;
  const result = await inRedrive(record, () => redriveNow(context, place, input));
  context.onRedriven?.(result.outcome);
  return result;
}

async function redriveNow(
  context: RedriveContext,
  place: LogPlace,
  input: RedriveInput,
): Promise<RedriveResult> {
  // The shared lock of a storing transaction keeps others from parking an event with an id that this
  // dead letter has not taken.
  const begin = input.takesId ? inStoringTransaction : inTransaction;
  for (let attempt = 1; ; attempt++) {
    try {
      return await begin(context.pool, LIMITS, (tx) => redriveIn(tx, context, place, input));
    } catch (error) {
      // Such a redrive takes the parking lock first and held orders later, a batch that parks the other
      // way round. So the two can deadlock, and the redrive is retried.
      if (sqlStateOf(error) === DEADLOCK && attempt < ATTEMPTS_MAX) continue;
      // The failure ended the whole transaction, so it is written in another one. If PostgreSQL is
      // really away, that fails too; if not, this event alone is the cause.
      if (!(error instanceof HandlerFailure) && !isAnswer(error)) throw error;
      return await noteFailed(context, place, input, error);
    }
  }
}

/** Carries the result of a trial out of the transaction, which is thereby rolled back. */
class Tried extends Error {
  readonly result: RedriveResult;

  constructor(result: RedriveResult) {
    super('Tried');
    this.result = result;
  }
}

/**
 * Processes a dead letter as redriveOne() does, its handlers included, and rolls everything back.
 * @returns how the redrive would end. Only COMMIT itself is not tried.
 * @throws an outage.
 */
export async function tryRedrive(
  context: RedriveContext,
  place: LogPlace,
  input: RedriveInput,
): Promise<RedriveResult> {
  const begin = input.takesId ? inStoringTransaction : inTransaction;
  try {
    return await begin(context.pool, LIMITS, async (tx) => {
      throw new Tried(await redriveIn(tx, context, place, input));
    });
  } catch (error) {
    if (error instanceof Tried) return error.result;
    if (!(error instanceof HandlerFailure) && !isAnswer(error)) throw error;
    return { ...place, outcome: 'failed', message: reasonOf(error).slice(0, 1000) };
  }
}

/** Whether PostgreSQL answered with this error, and keeps answering. */
function isAnswer(error: unknown): boolean {
  return sqlStateOf(error) !== undefined && !isConnectionBroken(error);
}

/** Writes to the dead letter and to the audit that the redrive failed, in another transaction. */
async function noteFailed(
  { pool, actor, redriveId }: RedriveContext,
  place: LogPlace,
  { event, edited }: RedriveInput,
  error: unknown,
): Promise<RedriveResult> {
  const { eventId, orderId } = event.event;
  return await inTransaction(pool, LIMITS, async (tx) => {
    await lockHeldOrders(tx, [orderId]);
    const deadLetter = await lockDeadLetter(tx, place);
    if (deadLetter === null || deadLetter.state === 'discarded')
      return { ...place, outcome: 'gone' };
    const result = await failedAgain(tx, place, error);
    const action = edited === undefined ? 'redrive' : 'edit';
    const { outcome, message: detail } = result;
    await writeAudit(tx, place, { actor, action, outcome, eventId, detail, edited, redriveId });
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
  const detail = { message, ...(error instanceof UnfitEvent ? error.detail : {}) };
  await noteFailure(tx, place, { reason, detail, sqlState: sqlStateBehind(error) });
  return { ...place, outcome: 'failed', message };
}

async function redriveIn(
  tx: Transaction,
  context: RedriveContext,
  place: LogPlace,
  { event, edited }: RedriveInput,
): Promise<RedriveResult> {
  const { eventId, orderId } = event.event;
  await lockHeldOrders(tx, [orderId]);
  const deadLetter = await lockDeadLetter(tx, place);
  if (deadLetter === null || deadLetter.state === 'discarded') return { ...place, outcome: 'gone' };
  const head = await headOfQueue(tx, orderId, place);
  if (head === null || !isSamePlace(head, place)) return { ...place, outcome: 'behind' };
  const result = await settleAgain(context, tx, place, event);
  const { outcome, message: detail } = result;
  const action = edited === undefined ? 'redrive' : 'edit';
  const { actor, redriveId } = context;
  await writeAudit(tx, place, { actor, action, outcome, eventId, detail, edited, redriveId });
  if (outcome !== 'failed') {
    await deleteDeadLetter(tx, place);
    await releaseOrderIfEmpty(tx, orderId);
  }
  return result;
}

/** Settles the event in a savepoint. If that fails, the dead letter stays, with the new reason. */
async function settleAgain(
  context: RedriveContext,
  tx: Transaction,
  place: LogPlace,
  event: EventRecord,
): Promise<RedriveResult> {
  const { logId } = place;
  const attempt = await inSavepoint(
    (text) => tx.query(text),
    async () => {
      const records = { events: [event], invalid: [] };
      const settled = await settleRecords(tx, { ...context, logId }, records, { kind: 'redrive' });
      await checkDeferredConstraints(tx);
      return settled;
    },
  );
  if ('value' in attempt) return { ...place, outcome: outcomeOf(attempt.value) };
  const { failure } = attempt;
  if (faultOf(failure) === 'outage') throw failure;
  return await failedAgain(tx, place, failure);
}

function outcomeOf({ stored, duplicates }: Settled): 'stored' | 'duplicate' | 'conflict' {
  if (stored > 0) return 'stored';
  return duplicates.length > 0 ? 'duplicate' : 'conflict';
}
