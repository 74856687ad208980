import { setTimeout as sleep } from 'node:timers/promises';

/** The first and the longest wait, in ms. */
export type BackoffOptions = { readonly firstMs: number; readonly mostMs: number };

/**
 * The time to wait before the next attempt, in ms. It doubles from firstMs up to mostMs. Its upper
 * half is random, so that many waiting clients do not retry at the same moment.
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

/** Waits `ms`, or returns early when the signal aborts. Never throws. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch {
    // Aborted. The caller checks its signal.
  }
}
