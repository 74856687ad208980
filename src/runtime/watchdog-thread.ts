/** The other side of watchdog.ts, in a thread of its own: it goes on while the event loop hangs. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

export type WatchdogData = {
  /** One counter, which the watched thread increments. */
  readonly beats: SharedArrayBuffer;
  readonly checkMs: number;
  readonly missedMax: number;
};

const { beats, checkMs, missedMax } = workerData as WatchdogData;
const counter = new Int32Array(beats);
let last = -1;
let missed = 0;

// Checks are counted, not time: a process that was frozen as a whole has missed nothing.
setInterval(() => {
  const now = Atomics.load(counter, 0);
  missed = now === last ? missed + 1 : 0;
  last = now;
  if (missed < missedMax) return;
  writeSync(2, 'orderonce: a handler blocks the process, which is ended to be started again\n');
  process.kill(process.pid, 'SIGKILL');
}, checkMs);
