/**
 * Plans the head of the continuous proof. Pure. A pass of the head proves everything up to the
 * positions that it found when it began, in as many steps as that takes.
 */
import { OFFSETS_END, type OffsetRange } from '../store/account-parts.ts';
import type { LogPartition } from '../store/log-place.ts';
import { SEGMENT, type Unproven } from '../store/proof-progress.ts';

/** A pass that has begun, with the position that each partition had then and has yet to be proven. */
export type Pass = { readonly at: string; readonly targets: ReadonlyMap<string, number> };

/** A step of the head. */
export type HeadPlan = {
  /** What is proven if nothing contradicts it; the heads then move to the ends of these ranges. */
  readonly ranges: readonly OffsetRange[];
  /**
   * What is read: the same ranges, up to the end of the partition where they reach the position, so
   * that outcomes past it are seen.
   */
  readonly read: readonly OffsetRange[];
};

/** The index is searched once for each range. */
const RANGES_MAX = 16;

const keyOf = ({ logId, partition }: LogPartition) => `${logId}/${partition}`;

/** @param at when the snapshot was taken on which `unproven` was read. */
export function beginPass(unproven: readonly Unproven[], at: string): Pass {
  const ahead = unproven.filter(({ from, to }) => from < to);
  return { at, targets: new Map(ahead.map((range) => [keyOf(range), range.to])) };
}

/** The pass after these ranges were proven. It has ended when no target is left. */
export function advancePass({ at, targets }: Pass, proven: readonly OffsetRange[]): Pass {
  const reached = new Map(proven.map((range) => [keyOf(range), range.to]));
  return { at, targets: new Map([...targets].filter(([key, to]) => (reached.get(key) ?? 0) < to)) };
}

/**
 * @param unproven of all partitions now, the longest first.
 * @param offsetsMax how many offsets the step may examine, but at least one per partition.
 */
export function planHead(
  { targets }: Pass,
  unproven: readonly Unproven[],
  offsetsMax: number,
): HeadPlan {
  // Partitions whose target is reached wait for the next pass, and those whose position was moved
  // back come last.
  const chosen = unproven
    .filter((range) => targets.has(keyOf(range)) || range.from > range.to)
    .slice(0, RANGES_MAX);
  const share = Math.max(1, Math.floor(offsetsMax / Math.max(1, chosen.length)));
  const ranges: OffsetRange[] = [];
  const read: OffsetRange[] = [];
  for (const { from, to: position, ...place } of chosen) {
    const segmentEnd = (Math.floor(from / SEGMENT) + 1) * SEGMENT;
    const to = Math.min(position, from + share, segmentEnd);
    if (from < position) ranges.push({ ...place, from, to });
    // Where a position was moved back behind the head, what lies past it is ahead of it.
    read.push({ ...place, from: Math.min(from, position), to: to === position ? OFFSETS_END : to });
  }
  return { ranges, read };
}
