/** Joins and splits slices of one partition. Each offset still has a record or is part of a gap. */
import type { LogSlice } from './event-log.ts';

/** @param parts at least one; each must begin where the previous one ends. */
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

/** Splits a slice at an offset. A gap that spans the offset becomes two gaps. */
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
