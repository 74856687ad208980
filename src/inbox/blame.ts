/**
 * Whether a failure may be the fault of the events: it may once the transaction has passed the
 * fence, since until then PostgreSQL saw none of them. What it looks like does not count: a
 * handler can end its own session, run into a time-out, or fail at COMMIT by a deferred trigger.
 */
import { OrderonceError, reasonOf } from '../errors.ts';

const blamed = new WeakSet<object>();
/** Codes of our own that say whose fault it is, and that it is not the events'. */
const NOT_THE_EVENTS = ['POSITION_MOVED', 'CLAIM_RACE', 'HANDLERS_REFUSE_TOO_MUCH'];

/** Runs a transaction that says when it has passed the fence, and marks what fails behind it. */
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

export function mayBlameBatch(error: unknown): boolean {
  if (error instanceof OrderonceError && NOT_THE_EVENTS.includes(error.code)) return false;
  return typeof error === 'object' && error !== null && blamed.has(error);
}

/** Nothing succeeds: then it is the table, or the handlers, and not the event. */
export function allRefused(failure: unknown): OrderonceError {
  const reason = `Every event is refused, nothing is parked: ${reasonOf(failure)}`;
  return new OrderonceError('ALL_REFUSED', reason, { cause: failure });
}
