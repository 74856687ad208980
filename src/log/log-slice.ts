/** Slices of one partition, joined and cut: every offset stays a record's or in a gap. */
import type { LogSlice } from './event-log.ts';

/** @param b begins where `a` ends. */
export function joinSlices(a: LogSlice, b: LogSlice): LogSlice {
  return {
    ...b,
    from: a.from,
    leaderEpoch: Math.max(a.leaderEpoch, b.leaderEpoch),
    records: [...a.records, ...b.records],
    gaps: [...a.gaps, ...b.gaps],
  };
}

/** Cuts a slice at an offset; a gap across the cut becomes two. */
export function splitSlice(slice: LogSlice, at: number): { head: LogSlice; tail: LogSlice } {
  const { records, gaps } = slice;
  const before = gaps.filter((gap) => gap.from < at);
  const after = gaps.filter((gap) => gap.to > at);
  return {
    head: {
      ...slice,
      next: at,
      records: records.filter((record) => record.offset < at),
      gaps: before.map((gap) => ({ ...gap, to: Math.min(gap.to, at) })),
    },
    tail: {
      ...slice,
      from: at,
      records: records.filter((record) => record.offset >= at),
      gaps: after.map((gap) => ({ ...gap, from: Math.max(gap.from, at) })),
    },
  };
}
