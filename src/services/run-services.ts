/** Start, wait, stop: the one life of every long-running command. */
import { reasonOf } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import { onStopRequest } from '../runtime/stop-request.ts';

/** From the signal to the end of the process, whatever hangs. Orchestrators kill after 10 s. */
const EXIT_MS = 7500;

export type Run = {
  /** Takes charge of a started service; they are stopped in reverse order. */
  readonly add: <T extends Service>(service: T) => T;
  /** Aborts when the process is asked to stop: whatever still waits to start gives up. */
  readonly stopping: AbortSignal;
  /** Stops everything because something that we need has ended. */
  readonly fail: (reason: string) => void;
};

/**
 * Starts services, waits for SIGINT or SIGTERM, and stops them. Signals count from the first
 * moment, also while something slow is still starting. A second signal ends the process at once.
 *
 * @returns the exit code: 0 after a signal, 1 after fail().
 * @throws what `start` throws, once all that it had started is stopped.
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
      logger.warn('Stopped without waiting any longer: something hangs');
      process.exit(code);
    }, EXIT_MS).unref();
  };
  onStopRequest((request) => {
    if (stopping.signal.aborted) process.exit(1);
    logger.info({ request }, 'Stopping');
    stop(0);
  });
  const fail = (reason: string) => {
    logger.error({ reason }, 'Stopping: something that is needed has ended');
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
      // One that fails to stop must not keep the others running.
      await service.stop().catch((error: unknown) => logger.error({ reason: reasonOf(error) }));
    }
    if (stopping.signal.aborted) logger.info('Stopped');
  }
}
