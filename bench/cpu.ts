/** CPU time of processes, as Linux tells it; NaN elsewhere. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100;

/** proc(5), from the third field on: 1 is the parent, 11 and 12 user and system, 13 and 14 of children that ended. */
function statOf(pid: number | string): number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
}

const ticksOf = (stat: readonly number[], fields: readonly number[]) =>
  fields.reduce((sum, field) => sum + (stat[field] as number), 0);

/** Of one process, in seconds so far. */
export function cpuSecondsOf(pid: number | undefined): number {
  try {
    return ticksOf(statOf(pid as number), [11, 12]) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

/** Of a process and all its children, those that have ended too: a PostgreSQL server. */
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
