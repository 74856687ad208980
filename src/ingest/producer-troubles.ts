/** What the producer's health says of the log. Pure. */
import type { AppendQueue } from './append-queue.ts';

export type LogTroubles = {
  /** Nothing can be appended. */
  readonly all: readonly string[];
  /** A part of the partitions takes no events; the others do. */
  readonly part: readonly string[];
};

/**
 * @param probed why the log can take nothing, by the last look; null when it can.
 * @param found what that look found wrong with a part of it.
 */
export function logTroubles(
  queue: Pick<AppendQueue, 'lanes' | 'troubles'>,
  probed: string | null,
  found: readonly string[],
): LogTroubles {
  const ofLanes = [...new Set(queue.troubles.values())].map((why) => `Appends fail: ${why}`);
  const isAll = probed !== null || (queue.lanes > 0 && queue.troubles.size === queue.lanes);
  const all = probed === null ? [] : [probed];
  return isAll ? { all: [...all, ...ofLanes], part: found } : { all, part: [...found, ...ofLanes] };
}
