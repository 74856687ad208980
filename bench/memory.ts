/**
 * Measures whether memory grows: records the resident set of each process every second, while a
 * backlog is drained and under steady load for minutes.
 */
import { readFileSync } from 'node:fs';
import { drain } from './drain.ts';
import { Pipeline } from './end-to-end.ts';
import type { Servers } from './servers.ts';

/** Points are [seconds since the start, value]. */
export type Series = { readonly name: string; readonly points: readonly [number, number][] };

/** Drains a backlog of mix M. @returns the MiB of the consumer over seconds. */
export async function backlog(servers: Servers, events: number): Promise<Series[]> {
  let watch: MemoryWatch | undefined;
  const onStart = ([pid = 0]: readonly number[]) => {
    watch = new MemoryWatch({ consumer: pid });
  };
  const drained = await drain(servers, {
    events,
    mix: 'm',
    onStart,
    afterwards: async () => watch?.stop(),
  });
  console.error(`backlog: ${JSON.stringify(drained)}`);
  return watch?.series ?? [];
}

/** Sends `rate` events per second. @returns the MiB of each process over seconds. */
export async function soak(servers: Servers, rate: number, seconds: number): Promise<Series[]> {
  const pipeline = await Pipeline.start(servers, `soak_${process.pid}`);
  const { postgres: _, ...pids } = pipeline.pids;
  const watch = new MemoryWatch(pids);
  try {
    console.error(`soak: ${JSON.stringify(await pipeline.openLoop(rate, seconds))}`);
    return watch.series;
  } finally {
    watch.stop();
    await pipeline.stop();
  }
}

class MemoryWatch {
  readonly series: { name: string; points: [number, number][] }[];
  readonly #timer: NodeJS.Timeout;

  constructor(pids: Readonly<Record<string, number>>) {
    const startedAt = performance.now();
    this.series = Object.keys(pids).map((name) => ({ name, points: [] }));
    this.#timer = setInterval(() => {
      const seconds = (performance.now() - startedAt) / 1000;
      for (const { name, points } of this.series) points.push([seconds, rssMb(pids[name])]);
    }, 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** VmRSS of /proc/PID/status (proc(5)), in MiB. NaN on other systems, and for an ended process. */
function rssMb(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}
