import type { EventRecord } from '../log/decoded-record.ts';

/** How many later events are tried, and undone, to see whether anything succeeds. */
const WITNESSES_MAX = 3;

/**
 * Which events to try in order to see whether others than a failing one succeed: the next, and two by
 * chance. Bad ones often come in a row, and a process that died of a witness would otherwise ask the
 * same ones again after each restart. Pure but for the random source.
 */
export function witnessesOf(
  later: readonly EventRecord[],
  random: () => number = Math.random,
): EventRecord[] {
  const left = later.slice(1);
  const chosen = later.slice(0, 1);
  while (chosen.length < WITNESSES_MAX && left.length > 0) {
    chosen.push(...left.splice(Math.trunc(random() * left.length), 1));
  }
  return chosen;
}
