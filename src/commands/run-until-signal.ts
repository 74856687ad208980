import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';

/** SIGTERM to exit, whatever hangs. Orchestrators kill after 10 s. */
const EXIT_MS = 8000;

/**
 * Waits for SIGINT or SIGTERM (or for `died`), stops the services one after the other, and
 * returns the exit code. A second signal, or a service that hangs, ends the process at once.
 */
export async function runUntilSignal(
  services: readonly Service[],
  logger: Logger,
  died: Promise<string> = new Promise(() => {}),
): Promise<number> {
  const signal = new Promise<null>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => {
        logger.info({ signal: name }, 'Stopping');
        resolve(null);
        process.once(name, () => process.exit(1));
      });
    }
  });
  const reason = await Promise.race([signal, died]);
  if (reason !== null) logger.error({ reason }, 'The embedded PostgreSQL ended');
  const overdue = setTimeout(() => {
    logger.warn('Stopped without waiting any longer: something hangs');
    process.exit(reason === null ? 0 : 1);
  }, EXIT_MS);
  for (const service of services) await service.stop();
  clearTimeout(overdue);
  logger.info('Stopped');
  return reason === null ? 0 : 1;
}
