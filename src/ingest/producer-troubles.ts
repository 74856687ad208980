/** What the health page of the producer reports about the log. */
import type { AppendQueue } from './append-queue.ts';

export type LogTroubles = {
  /** Reasons why no event can be appended. */
  readonly all: readonly string[];
  /** Reasons why some partitions accept no events, while the others do. */
  readonly part: readonly string[];
};

/**
 * Combines the last check of the log with the failures of appends.
 * @param probed why the log accepts nothing, according to the last check; null if it does.
 * @param found what that check found wrong with parts of the log.
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
