/**
 * Handles errors of handlers that no caller receives: the rejection of a promise that was not
 * awaited, or an exception in a timer. By default Node ends the process for each, and would do so
 * again after the restart. Here they are traced to the handler's run in which they arose, since
 * AsyncLocalStorage follows promises, timers and callbacks. If that run is under way, it fails like
 * any other. If it has ended, the error is logged with the handler's name. Errors that no handler
 * caused still end the process.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Logger } from '../runtime/logger.ts';
import { readThrown } from './thrown.ts';

/** One call of a handler for one attempt at a batch, or of the decode function for one record. */
export type HandlerRun = {
  readonly handler: string;
  /** For the log: the id of its first event or the place of its record, and how many there are. */
  readonly events: { readonly first: string; readonly count: number };
  /** Makes the run fail. @returns false if it has already ended. */
  readonly fail: (error: unknown) => boolean;
};

const runs = new AsyncLocalStorage<HandlerRun>();

/** Runs `work`, so that errors of promises and timers that it leaves behind are traced to `run`. */
export async function traced<T>(run: HandlerRun, work: () => Promise<T>): Promise<T> {
  return await runs.run(run, work);
}

/** The same for `work` that is synchronous. */
export function tracedSync<T>(run: HandlerRun, work: () => T): T {
  return runs.run(run, work);
}

/** Listens for such errors in the whole process until stop() is called. */
export function watchStrayErrors(logger: Logger): { stop(): void } {
  const listen = (kind: string) => (thrown: unknown) => {
    const run = runs.getStore();
    if (run === undefined) endProcess(thrown);
    else report(logger, run, kind, thrown);
  };
  const onRejection = listen('a promise that it did not await was rejected');
  const onException = listen('it threw an error outside its promise');
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onException);
  return {
    stop: () => {
      process.off('unhandledRejection', onRejection);
      process.off('uncaughtException', onException);
    },
  };
}

function report(logger: Logger, run: HandlerRun, kind: string, thrown: unknown): void {
  const { message } = readThrown(thrown);
  const isUnderWay = run.fail(new Error(`${kind}: ${message}`));
  if (isUnderWay) return;
  const fields = { handler: run.handler, ...run.events, reason: `${kind}: ${message}` };
  logger.error(fields, 'A handler failed after it had returned: its effect may be incomplete');
}

/** Does what Node does by default for an error that nobody handles. */
function endProcess(thrown: unknown): never {
  console.error(thrown instanceof Error ? thrown.stack : thrown);
  process.exit(1);
}
