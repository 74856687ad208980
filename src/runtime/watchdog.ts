import { Worker } from 'node:worker_threads';
import type { Logger } from './logger.ts';
import { VERSION } from './version.ts';
import type { WatchdogData } from './watchdog-thread.ts';

const CHECKS = 20;

/**
 * Kills the process if its event loop is blocked for `blockedMs`, for example by a handler with an
 * endless loop: then neither timeouts nor signals have any effect. PostgreSQL rolls back what was
 * running. The log says so. After the restart the event that caused it is found and parked
 * (consume/suspicion.ts).
 */
export function startWatchdog(blockedMs: number, logger: Logger): { stop(): void } {
  const beats = new SharedArrayBuffer(4);
  const counter = new Int32Array(beats);
  const checkMs = blockedMs / CHECKS;
  const base = { version: VERSION, ...logger.bindings() };
  const workerData: WatchdogData = { beats, checkMs, missedMax: CHECKS, base };
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
