/** Lets a command wait while a part of the log has no leader. */
import { OrderonceError } from '../errors.ts';
import { isUnavailable, type LogBounds, type LogReader } from '../log/event-log.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';

/**
 * A broker that died is noticed after 9 s (KRaft: broker.session.timeout.ms) or 18 s (ZooKeeper:
 * zookeeper.session.timeout.ms), and then its partitions get other leaders.
 */
const PATIENCE_MS = 30_000;
const BACKOFF = { firstMs: 100, mostMs: 1000 };

/**
 * The result of `work`, which is repeated while it fails with LOG_UNAVAILABLE. For commands whose
 * result needs every partition: a restart of one broker must not end an hour of reading. Consumers
 * continue with the other partitions instead.
 *
 * @param work can be repeated safely, as reads can.
 * @throws what `work` throws; LOG_UNAVAILABLE only if it still does so after `patienceMs`.
 */
export async function onceAvailable<T>(
  work: () => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const started = performance.now();
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error) || performance.now() - started >= patienceMs) throw error;
    }
    await pause(backoffMs(attempt, BACKOFF));
  }
}

/**
 * The bounds of all of these partitions, for callers whose result would be wrong without one of
 * them. Waits for those that have no leader.
 * @throws LOG_UNAVAILABLE with the reason if the bounds of one partition cannot be read.
 */
export async function boundsOfAll(
  reader: Pick<LogReader, 'bounds'>,
  partitions: readonly number[],
  patienceMs?: number,
): Promise<Map<number, LogBounds>> {
  const all = new Map<number, LogBounds>();
  await onceAvailable(async () => {
    // Those that did not answer are asked for alone: if none does again, the log says why.
    const missing = partitions.filter((partition) => !all.has(partition));
    for (const [partition, bounds] of await reader.bounds(missing, true))
      all.set(partition, bounds);
    const silent = missing.filter((partition) => !all.has(partition));
    if (silent.length === 0) return;
    const message = `The log does not report where partitions ${silent.join(', ')} begin and end`;
    throw new OrderonceError('LOG_UNAVAILABLE', message);
  }, patienceMs);
  return all;
}
