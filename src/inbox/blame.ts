/**
 * Decides whether the events of a batch may have caused a failure. They may if the transaction had
 * passed the fence, because before the fence PostgreSQL has seen none of them. The kind of error
 * does not decide: because of one event, a handler can end its session, run into a time-out, or
 * fail at COMMIT through a deferred trigger.
 */
import { OrderonceError, reasonOf } from '../errors.ts';

/** Errors that were thrown after the fence. */
const blamed = new WeakSet<object>();
/** Errors of our own that are never the fault of a single event. */
const NOT_THE_EVENTS = ['POSITION_MOVED', 'CLAIM_RACE', 'HANDLERS_REFUSE_TOO_MUCH'];

/**
 * Runs a transaction, which calls `passedFence` once it has moved the position. An error that it
 * throws after that is marked, so that `mayBlameBatch` recognises it.
 */
export async function blaming<T>(transaction: (passedFence: () => void) => Promise<T>): Promise<T> {
  let isBehindFence = false;
  try {
    return await transaction(() => {
      isBehindFence = true;
    });
  } catch (error) {
    if (isBehindFence && typeof error === 'object' && error !== null) blamed.add(error);
    throw error;
  }
}

/** Whether the events may have caused this error. False for errors that `blaming` did not mark. */
export function mayBlameBatch(error: unknown): boolean {
  if (error instanceof OrderonceError && NOT_THE_EVENTS.includes(error.code)) return false;
  return typeof error === 'object' && error !== null && blamed.has(error);
}

/**
 * The error for a batch in which no event succeeds. The cause is then a table or the handlers, not
 * an event, so nothing is parked (G6).
 */
export function allRefused(failure: unknown): OrderonceError {
  const reason = `Every event is refused, so nothing is parked: ${reasonOf(failure)}`;
  return new OrderonceError('ALL_REFUSED', reason, { cause: failure });
}
