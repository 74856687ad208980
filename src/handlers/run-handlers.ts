/** Runs the handlers over the events that a batch has stored, and classifies their failures. */
import { UnfitEvent } from '../log/decoded-record.ts';
import { within } from '../runtime/deadline.ts';
import { cancelStatement } from '../store/handler-guard.ts';
import type { Pool } from '../store/pool.ts';
import type { Transaction } from '../store/queryable.ts';
import { noteForeignCode } from '../store/session.ts';
import { isRefusedData, isRefusedState, sqlStateOf } from '../store/sqlstate.ts';
import { inHandler } from '../tracing/tracing.ts';
import { type EventTraces, GuardedTransaction } from './guarded-transaction.ts';
import type { HandledEvent, Handler } from './handler.ts';
import { traced } from './stray-errors.ts';
import { readThrown } from './thrown.ts';

/**
 * What a failure says about the event.
 * - `refused`: the event can never succeed. It is parked once it fails alone.
 * - `outage`: the event is not the cause. The consumer retries and parks nothing.
 * - `unknown`: the event is parked only after several failures alone, while others succeed.
 */
export type Fault = 'refused' | 'outage' | 'unknown';

/** The failure of a handler. It keeps only plain data of what the handler threw; see thrown.ts. */
export class HandlerFailure extends Error {
  override readonly name = 'HandlerFailure';
  readonly handler: string;
  readonly fault: Fault;
  /** It threw OutageError, so the waits between attempts are longer. */
  readonly isOutage: boolean;
  /** It threw TerminalError. */
  readonly isTerminal: boolean;
  /** The SQLSTATE, if what it threw is an error of PostgreSQL. */
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

/** The handlers of a process, in the order in which they run, with their limits. */
export type HandlerSet = {
  readonly handlers: readonly Handler[];
  /** The longest time for one handler over one batch (HANDLER_TIMEOUT_MS). */
  readonly timeoutMs: number;
  /** After this many failures alone for an unknown reason an event is parked, if others succeed. */
  readonly attemptsMax: number;
  /** Called after each run of a handler, also a failed one, with the seconds it took; for metrics. */
  readonly onRun?: (handler: string, seconds: number) => void;
};

export const NO_HANDLERS: HandlerSet = { handlers: [], timeoutMs: 3000, attemptsMax: 5 };

/** The events for the handlers, and what their messages carry on. */
export type HandlerInput = {
  readonly events: readonly HandledEvent[];
  readonly traces: EventTraces;
};

/**
 * Runs the handlers one after the other over all events.
 * @param pool with which a statement is cancelled that its handler no longer awaits.
 * @throws HandlerFailure of the first handler that fails. The caller must roll back.
 */
export async function runHandlers(
  { handlers, timeoutMs, onRun }: HandlerSet,
  tx: Transaction,
  pool: Pool,
  { events, traces }: HandlerInput,
): Promise<void> {
  if (events.length === 0) return;
  if (handlers.length > 0) noteForeignCode(tx);
  // Frozen, since what one handler changed in the events would reach the handlers after it.
  const frozen = Object.freeze(events.map((event) => Object.freeze({ ...event })));
  for (const handler of handlers) {
    const own = eventsOf(handler, frozen);
    if (own.length === 0) continue;
    const cancel = () => cancelStatement(pool, tx);
    const options = { handler: handler.name, events: own, traces, cancel };
    const guarded = new GuardedTransaction(tx, options);
    const started = performance.now();
    try {
      await inHandler(handler.name, async () => {
        await runOne(handler, guarded, own, timeoutMs);
        await guarded.finish();
      });
    } catch (error) {
      await guarded.abandon();
      throw new HandlerFailure(handler.name, causeOf(error, guarded.failure));
    } finally {
      onRun?.(handler.name, (performance.now() - started) / 1000);
    }
  }
}

/** The events that a handler gets. */
function eventsOf({ on }: Handler, events: readonly HandledEvent[]): readonly HandledEvent[] {
  if (on === undefined) return events;
  return Object.freeze(events.filter(({ type }) => type !== undefined && on.includes(type)));
}

/** Runs one handler until it has returned, failed, or exceeded its time. @throws what it threw. */
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
  // In an async function, so that a handler that throws synchronously is treated like any other.
  const handling = traced(run, async () => await handler.handle(events, guarded.forHandler));
  // Waits until microtasks have run. Node then has reported rejections that the handler did not
  // handle, and they fail this run.
  const reported = handling.then(() => new Promise(setImmediate));
  const late = () => new Error(`It did not finish within ${timeoutMs} ms`);
  try {
    await within(timeoutMs, Promise.race([stray.promise, reported]), late);
  } finally {
    isUnderWay = false;
  }
}

/** SQLSTATE 25P02 only says that an earlier statement failed. That failure is the cause. */
function causeOf(error: unknown, failure: unknown): unknown {
  const isAfterEffect = readThrown(error).sqlState === IN_FAILED_TRANSACTION;
  return isAfterEffect ? (failure ?? error) : error;
}

const IN_FAILED_TRANSACTION = '25P02';
/** P0001 raise_exception and class 54 program_limit_exceeded may or may not be due to the row. */
const DATA_DEPENDENT = /^(P0001|54)/;

/**
 * Classifies a failure inside the batch transaction, thrown by a handler or by PostgreSQL. A
 * handler's failure is never `outage`, whatever it threw. An outage affects all events, and whether
 * it does is found out by trying other events.
 */
export function faultOf(error: unknown): Fault {
  if (error instanceof HandlerFailure) return error.fault;
  if (error instanceof UnfitEvent) return 'refused';
  if (isRefusedData(error)) return 'refused';
  return DATA_DEPENDENT.test(sqlStateOf(error) ?? '') ? 'unknown' : 'outage';
}

/** The reason in the dead letter, by which dead letters can be grouped, listed and redriven. */
export function parkReasonOf(error: unknown): string {
  if (error instanceof UnfitEvent) return error.reason;
  if (faultOf(error) !== 'refused') return 'keeps_failing';
  return error instanceof HandlerFailure ? 'refused_by_handler' : 'refused_by_database';
}

/** The SQLSTATE of a failure, also of one that a handler threw; undefined if there is none. */
export function sqlStateBehind(error: unknown): string | undefined {
  return error instanceof HandlerFailure ? error.sqlState : sqlStateOf(error);
}
