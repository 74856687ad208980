/** Runs the handlers over what a batch has stored, and says what a failure of theirs means. */
import { within } from '../runtime/deadline.ts';
import type { Transaction } from '../store/pool.ts';
import { noteForeignCode } from '../store/session.ts';
import { isConnectionBroken, isRefusedData, sqlStateOf } from '../store/sqlstate.ts';
import { GuardedTransaction } from './guarded-transaction.ts';
import { type HandledEvent, type Handler, OutageError, TerminalError } from './handler.ts';

/**
 * - `refused`: the event itself can never succeed; park it once it stands alone.
 * - `outage`: not about the event; wait and try again, park nothing.
 * - `unknown`: park it only after several failures alone while others succeed.
 */
export type Fault = 'refused' | 'outage' | 'unknown';

/** A handler failed; `cause` is what it threw. */
export class HandlerFailure extends Error {
  override readonly name = 'HandlerFailure';
  readonly handler: string;
  constructor(handler: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Handler "${handler}": ${reason}`, { cause });
    this.handler = handler;
  }
}

export type HandlerSet = {
  readonly handlers: readonly Handler[];
  /** For one handler over one batch. */
  readonly timeoutMs: number;
  /** Failures alone for an unknown reason after which an event is parked, if others succeed. */
  readonly attemptsMax: number;
  /** The table `orders` is not kept: a team that has its own needs no second one. */
  readonly withoutOrders?: boolean;
};

export const NO_HANDLERS: HandlerSet = { handlers: [], timeoutMs: 3000, attemptsMax: 5 };

/** @throws HandlerFailure of the first handler that fails; the caller rolls back. */
export async function runHandlers(
  { handlers, timeoutMs }: HandlerSet,
  tx: Transaction,
  events: readonly HandledEvent[],
): Promise<void> {
  if (events.length === 0) return;
  if (handlers.length > 0) noteForeignCode(tx);
  for (const handler of handlers) {
    const guarded = new GuardedTransaction(tx, handler.name, events);
    const late = () => new Error(`Not done within ${timeoutMs} ms`);
    try {
      // In a function, so that one which throws at once is treated like any other.
      const handling = (async () => await handler.handle(events, guarded))();
      await within(timeoutMs, handling, late);
      await guarded.finish();
    } catch (error) {
      guarded.close();
      // "Transaction is aborted" only says that something failed before: that is the reason.
      const cause = sqlStateOf(error) === IN_FAILED_TRANSACTION ? guarded.failure : error;
      throw new HandlerFailure(handler.name, cause ?? error);
    }
  }
}

const IN_FAILED_TRANSACTION = '25P02';

/** SQLSTATE classes that say "not now" or "not so", not "not this row". */
const OUTAGE_CLASSES = /^(08|25006|26|28|3D|40|53|55|57P|58)/;
/** raise_exception and program_limit_exceeded may be about the row, or not. */
const DATA_DEPENDENT = /^(P0001|54)/;

/** What a failure inside the heart's transaction means, thrown by a handler or by PostgreSQL. */
export function faultOf(error: unknown): Fault {
  if (!(error instanceof HandlerFailure)) {
    if (isRefusedData(error)) return 'refused';
    return DATA_DEPENDENT.test(sqlStateOf(error) ?? '') ? 'unknown' : 'outage';
  }
  const { cause } = error;
  if (cause instanceof TerminalError || isRefusedData(cause)) return 'refused';
  if (cause instanceof OutageError || isConnectionBroken(cause)) return 'outage';
  return OUTAGE_CLASSES.test(sqlStateOf(cause) ?? '') ? 'outage' : 'unknown';
}

/** The word by which dead letters of this failure are grouped and redriven. */
export function parkReasonOf(error: unknown): string {
  if (faultOf(error) !== 'refused') return 'keeps_failing';
  return error instanceof HandlerFailure ? 'refused_by_handler' : 'refused_by_database';
}

/** The SQLSTATE behind a failure, a handler's too. */
export function sqlStateBehind(error: unknown): string | undefined {
  return sqlStateOf(error instanceof HandlerFailure ? error.cause : error);
}
