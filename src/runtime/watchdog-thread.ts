/**
 * The thread of watchdog.ts. It keeps running while the event loop of the main thread is blocked.
 */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

export type WatchdogData = {
  /** A counter that the watched thread increments. */
  readonly beats: SharedArrayBuffer;
  readonly checkMs: number;
  readonly missedMax: number;
  /** The fields of each log line of this process. */
  readonly base: { readonly [name: string]: unknown };
};

const { beats, checkMs, missedMax, base } = workerData as WatchdogData;
const counter = new Int32Array(beats);
let last = -1;
let missed = 0;

// This counts checks, not time: if the whole process was frozen, the main thread has missed none.
setInterval(() => {
  const now = Atomics.load(counter, 0);
  missed = now === last ? missed + 1 : 0;
  last = now;
  if (missed < missedMax) return;
  // As logger.ts writes lines, which only the blocked thread could do.
  const msg =
    'A handler or decode function blocks the event loop. The process is killed: restart it';
  const fields = { level: 'fatal', time: new Date().toISOString(), ...base, msg };
  writeSync(1, `${JSON.stringify(fields)}\n`);
  process.kill(process.pid, 'SIGKILL');
}, checkMs);
