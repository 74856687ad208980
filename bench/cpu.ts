/** Reads the CPU time of processes from /proc. On other systems than Linux the results are NaN. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100;

/**
 * The fields of /proc/PID/stat (proc(5)) from the third one on. Index 1 is the parent; 11 and 12
 * are the user and system time; 13 and 14 are those of children that have ended.
 */
function statOf(pid: number | string): number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
}

const ticksOf = (stat: readonly number[], fields: readonly number[]) =>
  fields.reduce((sum, field) => sum + (stat[field] as number), 0);

/** @returns the user and system time of one process so far, in seconds. */
export function cpuSecondsOf(pid: number | undefined): number {
  try {
    return ticksOf(statOf(pid as number), [11, 12]) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

/**
 * @returns the user and system time in seconds of a process and all its children, including those
 * that have ended. A PostgreSQL server has a process for each connection.
 */
export function cpuSecondsOfFamily(pid: number): number {
  try {
    const children = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        try {
          const stat = statOf(name);
          return stat[1] === pid ? [ticksOf(stat, [11, 12])] : [];
        } catch {
          return [];
        }
      });
    const own = ticksOf(statOf(pid), [11, 12, 13, 14]);
    return (own + children.reduce((sum, ticks) => sum + ticks, 0)) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}
