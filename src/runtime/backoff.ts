import { setTimeout as sleep } from 'node:timers/promises';

export type BackoffOptions = { readonly firstMs: number; readonly mostMs: number };

/**
 * How long to wait before the next attempt: doubles from firstMs up to mostMs, with full jitter in
 * its upper half, so that many waiters do not come back at once. Pure but for the random source.
 *
 * @param attempt 1 for the wait after the first failure.
 */
export function backoffMs(
  attempt: number,
  { firstMs, mostMs }: BackoffOptions,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** Waits, or returns early once the signal aborts. Never throws. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch {
    // Aborted: the caller looks at its signal.
  }
}
