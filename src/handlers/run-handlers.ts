/** Runs the handlers over what a batch has stored, and says what a failure of theirs means. */
import { within } from '../runtime/deadline.ts';
import { cancelStatement } from '../store/handler-guard.ts';
import type { Pool, Transaction } from '../store/pool.ts';
import { noteForeignCode } from '../store/session.ts';
import { isRefusedData, isRefusedState, sqlStateOf } from '../store/sqlstate.ts';
import { GuardedTransaction } from './guarded-transaction.ts';
import type { HandledEvent, Handler } from './handler.ts';
import { traced } from './stray-errors.ts';
import { readThrown } from './thrown.ts';

/**
 * - `refused`: the event itself can never succeed; park it once it stands alone.
 * - `outage`: not about the event; wait and try again, park nothing.
 * - `unknown`: park it only after several failures alone while others succeed.
 */
export type Fault = 'refused' | 'outage' | 'unknown';

/** A handler failed. Holds nothing of what it threw but plain data: see thrown.ts. */
export class HandlerFailure extends Error {
  override readonly name = 'HandlerFailure';
  readonly handler: string;
  readonly fault: Fault;
  /** An outage in its own words: its dependency gets more time. */
  readonly isOutage: boolean;
  /** It said itself that the event can never succeed. */
  readonly isTerminal: boolean;
  readonly sqlState: string | undefined;

  constructor(handler: string, cause: unknown) {
    const { message, sqlState, kind } = readThrown(cause);
    super(`Handler "${readThrown(handler).message}": ${message}`);
    this.handler = handler;
    this.isOutage = kind === 'outage';
    this.isTerminal = kind === 'terminal';
    this.sqlState = sqlState;
    const isRefused = kind === 'terminal' || kind === 'unawaited' || isRefusedState(sqlState);
    this.fault = isRefused ? 'refused' : 'unknown';
  }
}

export type HandlerSet = {
  readonly handlers: readonly Handler[];
  /** For one handler over one batch. */
  readonly timeoutMs: number;
  /** Failures alone for an unknown reason after which an event is parked, if others succeed. */
  readonly attemptsMax: number;
};

export const NO_HANDLERS: HandlerSet = { handlers: [], timeoutMs: 3000, attemptsMax: 5 };

/**
 * @param pool to end a statement with that its handler no longer waits for.
 * @throws HandlerFailure of the first handler that fails; the caller rolls back.
 */
export async function runHandlers(
  { handlers, timeoutMs }: HandlerSet,
  tx: Transaction,
  pool: Pool,
  events: readonly HandledEvent[],
): Promise<void> {
  if (events.length === 0) return;
  if (handlers.length > 0) noteForeignCode(tx);
  // What one handler changed in them would reach those after it.
  const frozen = Object.freeze(events.map((event) => Object.freeze({ ...event })));
  for (const handler of handlers) {
    const cancel = () => cancelStatement(pool, tx);
    const guarded = new GuardedTransaction(tx, { handler: handler.name, events: frozen, cancel });
    try {
      await runOne(handler, guarded, frozen, timeoutMs);
      await guarded.finish();
    } catch (error) {
      await guarded.abandon();
      throw new HandlerFailure(handler.name, causeOf(error, guarded.failure));
    }
  }
}

/** Until it has returned, failed, or taken too long. */
async function runOne(
  handler: Handler,
  guarded: GuardedTransaction,
  events: readonly HandledEvent[],
  timeoutMs: number,
): Promise<void> {
  const stray = Promise.withResolvers<never>();
  stray.promise.catch(() => {});
  let isUnderWay = true;
  const run = {
    handler: handler.name,
    events: { first: (events[0] as HandledEvent).eventId, count: events.length },
    fail: (error: unknown) => {
      stray.reject(error);
      return isUnderWay;
    },
  };
  // In a function, so that one which throws synchronously is treated like any other.
  const handling = traced(run, async () => await handler.handle(events, guarded.door));
  // Node reports a promise that was rejected and not waited for once microtasks have run.
  const reported = handling.then(() => new Promise(setImmediate));
  const late = () => new Error(`Not done within ${timeoutMs} ms`);
  try {
    await within(timeoutMs, Promise.race([stray.promise, reported]), late);
  } finally {
    isUnderWay = false;
  }
}

/** "Transaction is aborted" only says that something failed before: that is the reason. */
function causeOf(error: unknown, failure: unknown): unknown {
  const isAfterEffect = readThrown(error).sqlState === IN_FAILED_TRANSACTION;
  return isAfterEffect ? (failure ?? error) : error;
}

const IN_FAILED_TRANSACTION = '25P02';
/** raise_exception and program_limit_exceeded may be about the row, or not. */
const DATA_DEPENDENT = /^(P0001|54)/;

/**
 * What a failure inside the heart's transaction means, thrown by a handler or by PostgreSQL. What
 * a handler throws is never an outage by its looks: an outage is what happens to all events, and
 * whether it does is found out by trying others.
 */
export function faultOf(error: unknown): Fault {
  if (error instanceof HandlerFailure) return error.fault;
  if (isRefusedData(error)) return 'refused';
  return DATA_DEPENDENT.test(sqlStateOf(error) ?? '') ? 'unknown' : 'outage';
}

/** The word by which dead letters of this failure are grouped and redriven. */
export function parkReasonOf(error: unknown): string {
  if (faultOf(error) !== 'refused') return 'keeps_failing';
  return error instanceof HandlerFailure ? 'refused_by_handler' : 'refused_by_database';
}

/** The SQLSTATE behind a failure, a handler's too. */
export function sqlStateBehind(error: unknown): string | undefined {
  return error instanceof HandlerFailure ? error.sqlState : sqlStateOf(error);
}
