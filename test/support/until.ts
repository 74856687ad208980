import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until `check` gives something true, asking often; the value it gave.
 * A condition, not a duration: a slow machine only takes longer.
 */
export async function until<T>(
  what: string,
  check: () => Promise<T> | T,
  { withinMs = 60_000, everyMs = 20 } = {},
): Promise<NonNullable<T>> {
  const giveUpAt = performance.now() + withinMs;
  let last: unknown;
  while (performance.now() < giveUpAt) {
    try {
      last = await check();
      if (last) return last as NonNullable<T>;
    } catch (error) {
      last = error;
    }
    await sleep(everyMs);
  }
  throw new Error(`Not within ${withinMs} ms: ${what} (last: ${String(last)})`);
}
