import { Worker } from 'node:worker_threads';
import type { WatchdogData } from './watchdog-thread.ts';

const CHECKS = 20;

/**
 * Ends the process when its event loop is blocked for `blockedMs`, as by a handler that never
 * returns: neither time-outs nor signals would come through. What was under way is rolled back;
 * after the restart the guilty event is found and parked (consume/suspicion.ts).
 */
export function startWatchdog(blockedMs: number): { stop(): void } {
  const beats = new SharedArrayBuffer(4);
  const counter = new Int32Array(beats);
  const checkMs = blockedMs / CHECKS;
  const workerData: WatchdogData = { beats, checkMs, missedMax: CHECKS };
  const thread = new Worker(new URL('./watchdog-thread.ts', import.meta.url), { workerData });
  thread.unref();
  const timer = setInterval(() => Atomics.add(counter, 0, 1), checkMs / 2).unref();
  return {
    stop: () => {
      clearInterval(timer);
      void thread.terminate();
    },
  };
}
