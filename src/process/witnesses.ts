import type { EventRecord } from '../log/decoded-record.ts';

/** How many later events are tried, and undone, to see whether anything succeeds. */
const WITNESSES_MAX = 3;

/**
 * Which events to try in order to see whether others than a failing one succeed: the next, the
 * last, and one in the middle, since bad ones often come in a row. Pure.
 *
 * @param later in log order.
 */
export function witnessesOf(later: readonly EventRecord[]): EventRecord[] {
  const { length } = later;
  const places = [0, length - 1, length >> 1].slice(0, WITNESSES_MAX);
  return [...new Set(places)].flatMap((place) => later[place] ?? []);
}
