/** Runs the services of a long-running command: start, wait for a signal, stop. */
import { reasonOf } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import { onStopRequest } from '../runtime/stop-request.ts';

/** The process ends this long after the signal, whatever hangs. Docker kills it after 10 s. */
const EXIT_MS = 7500;

/** What the function that starts the services can use. */
export type Run = {
  /** Registers a started service to be stopped. Services are stopped in reverse order. */
  readonly add: <T extends Service>(service: T) => T;
  /** Aborts when the process is asked to stop. A start that is still waiting should then end. */
  readonly stopping: AbortSignal;
  /** Stops all services, because the process cannot work any more. The exit code is 1. */
  readonly fail: (reason: string) => void;
};

/**
 * Starts services, waits for SIGINT or SIGTERM, and stops them. A signal is also handled while a
 * service is still starting. A second signal ends the process immediately.
 *
 * @returns the exit code: 0 after a signal, 1 after fail().
 * @throws what `start` throws, after the services that it had started were stopped.
 */
export async function runServices(
  logger: Logger,
  start: (run: Run) => Promise<void>,
): Promise<number> {
  const services: Service[] = [];
  const stopping = new AbortController();
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  const stop = (code: number) => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    end(code);
    setTimeout(() => {
      logger.warn('Exiting now: a service did not stop in time');
      process.exit(code);
    }, EXIT_MS).unref();
  };
  onStopRequest((request) => {
    if (stopping.signal.aborted) process.exit(1);
    logger.info({ request }, 'Stopping');
    stop(0);
  });
  const fail = (reason: string) => {
    logger.error({ reason }, 'Stopping: the process cannot work any more');
    stop(1);
  };
  const add = <T extends Service>(service: T): T => {
    services.unshift(service);
    return service;
  };
  try {
    await start({ add, stopping: stopping.signal, fail });
    return await ended;
  } finally {
    for (const service of services) {
      // If one service cannot be stopped, the others still are.
      await service.stop().catch((error: unknown) => {
        logger.error({ reason: reasonOf(error) }, 'A service could not be stopped');
      });
    }
    if (stopping.signal.aborted) logger.info('Stopped');
  }
}
