import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Calls `check` repeatedly until it returns a truthy value. Tests wait for conditions instead of
 * fixed times, so that on a slow machine they only take longer.
 * @returns that value.
 * @throws Error with the last result or error if there is none within `withinMs`.
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
