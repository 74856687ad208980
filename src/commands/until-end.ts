/** The end of a command that would run without one. */
import { wholeNumber } from './values.ts';

const SECONDS_MAX = 86_400;

/**
 * Aborts at Ctrl-C, at SIGTERM, and after `seconds` if they are given. The caller must call stop(),
 * which also aborts.
 * @throws SETTING_INVALID
 */
export function untilEnd(seconds: string | undefined): {
  readonly signal: AbortSignal;
  readonly stop: () => void;
} {
  const ending = new AbortController();
  const onSignal = () => ending.abort();
  const limit = wholeNumber('--seconds', seconds, SECONDS_MAX);
  const timer = limit === undefined ? undefined : setTimeout(onSignal, limit * 1000);
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  const stop = () => {
    clearTimeout(timer);
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, onSignal);
    if (process.stdin.isTTY && process.stdin.isRaw) process.stdin.setRawMode(false);
    ending.abort();
  };
  return { signal: ending.signal, stop };
}
