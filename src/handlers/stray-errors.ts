/**
 * Errors of handlers that reach nobody: a promise that was rejected and not waited for, an
 * exception in a timer of theirs. Node ends the process for each, and would again after the
 * restart. They are traced to the handler in whose run they arose (AsyncLocalStorage follows
 * promises, timers and callbacks), and that run fails like any other, or is named in the log where
 * it has ended. Errors that no handler caused still end the process.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Logger } from '../runtime/logger.ts';
import { readThrown } from './thrown.ts';

/** One handler over the events of one attempt. */
export type HandlerRun = {
  readonly handler: string;
  /** Of its first event and how many there are, for the log. */
  readonly events: { readonly first: string; readonly count: number };
  /** Makes the run fail. @returns false where it has ended. */
  readonly fail: (error: unknown) => boolean;
};

const runs = new AsyncLocalStorage<HandlerRun>();

/** Runs `work` so that whatever it leaves behind is traced to `run`. */
export async function traced<T>(run: HandlerRun, work: () => Promise<T>): Promise<T> {
  return await runs.run(run, work);
}

/** Listens until stopped. */
export function watchStrayErrors(logger: Logger): { stop(): void } {
  const listen = (kind: string) => (thrown: unknown) => {
    const run = runs.getStore();
    if (run === undefined) endProcess(thrown);
    else report(logger, run, kind, thrown);
  };
  const onRejection = listen('a promise that it did not wait for was rejected');
  const onException = listen('it threw outside of its promise');
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

/** As Node does where nobody listens. */
function endProcess(thrown: unknown): never {
  console.error(thrown instanceof Error ? thrown.stack : thrown);
  process.exit(1);
}
