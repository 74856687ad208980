/** Slices of one partition, joined and cut: every offset stays a record's or in a gap. */
import type { LogSlice } from './event-log.ts';

/** @param parts each begins where the one before it ends; at least one. */
export function joinSlices(parts: readonly LogSlice[]): LogSlice {
  const [first, last] = [parts[0], parts.at(-1)] as [LogSlice, LogSlice];
  if (first === last) return first;
  return {
    ...last,
    from: first.from,
    leaderEpoch: Math.max(...parts.map((part) => part.leaderEpoch)),
    records: parts.flatMap((part) => part.records),
    gaps: parts.flatMap((part) => part.gaps),
  };
}

/** Cuts a slice at an offset; a gap across the cut becomes two. */
export function splitSlice(slice: LogSlice, at: number): { head: LogSlice; tail: LogSlice } {
  const { records, gaps } = slice;
  const found = records.findIndex((record) => record.offset >= at);
  const middle = found === -1 ? records.length : found;
  const before = gaps.filter((gap) => gap.from < at);
  const after = gaps.filter((gap) => gap.to > at);
  return {
    head: {
      ...slice,
      next: at,
      records: records.slice(0, middle),
      gaps: before.map((gap) => ({ ...gap, to: Math.min(gap.to, at) })),
    },
    tail: {
      ...slice,
      from: at,
      records: records.slice(middle),
      gaps: after.map((gap) => ({ ...gap, from: Math.max(gap.from, at) })),
    },
  };
}
