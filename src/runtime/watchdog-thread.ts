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
};

const { beats, checkMs, missedMax } = workerData as WatchdogData;
const counter = new Int32Array(beats);
let last = -1;
let missed = 0;

// This counts checks, not time: if the whole process was frozen, the main thread has missed none.
setInterval(() => {
  const now = Atomics.load(counter, 0);
  missed = now === last ? missed + 1 : 0;
  last = now;
  if (missed < missedMax) return;
  writeSync(
    2,
    'orderonce: a handler or decode function blocks the event loop. The process is killed: restart it\n',
  );
  process.kill(process.pid, 'SIGKILL');
}, checkMs);
