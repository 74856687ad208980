import type { LogSlice } from '../log/event-log.ts';

/**
 * What has been fetched of one partition and not yet processed: contiguous slices, in order.
 * Bounded: isFull tells the fetch loop to leave the partition out.
 */
export class PartitionBuffer {
  readonly #recordsMax: number;
  #slices: LogSlice[] = [];
  #records = 0;
  #fetchOffset: number;
  #arrived = Promise.withResolvers<void>();

  /** @param recordsMax how many records may wait; one more fetched slice may overshoot it. */
  constructor(fetchOffset: number, recordsMax: number) {
    this.#fetchOffset = fetchOffset;
    this.#recordsMax = recordsMax;
  }

  /** From where to fetch next. */
  get fetchOffset(): number {
    return this.#fetchOffset;
  }

  get isFull(): boolean {
    return this.#records >= this.#recordsMax;
  }

  /** Takes a fetched slice, unless it is not the next one: an answer to an older question. */
  add(slice: LogSlice): void {
    if (slice.from !== this.#fetchOffset) return;
    this.#slices.push(slice);
    this.#records += slice.records.length;
    this.#fetchOffset = slice.next;
    this.#arrived.resolve();
  }

  /** Puts back, in front, the part of a taken slice that was not processed. */
  putBack(slice: LogSlice): void {
    this.#slices.unshift(slice);
    this.#records += slice.records.length;
    this.#arrived.resolve();
  }

  /** Drops everything and goes on from another offset. */
  reset(fetchOffset: number): void {
    this.#slices = [];
    this.#records = 0;
    this.#fetchOffset = fetchOffset;
  }

  /** Resolves when there is something to take. */
  async arrival(): Promise<void> {
    if (this.#slices.length > 0) return;
    this.#arrived = Promise.withResolvers<void>();
    await this.#arrived.promise;
  }

  /** The next records as one slice of at most `recordsMax`, or null when there are none. */
  take(recordsMax: number): LogSlice | null {
    let taken = this.#slices.shift();
    if (taken === undefined) return null;
    while (taken.records.length < recordsMax && this.#slices[0] !== undefined) {
      taken = joinSlices(taken, this.#slices.shift() as LogSlice);
    }
    this.#records -= taken.records.length;
    if (taken.records.length <= recordsMax) return taken;
    const cut = (taken.records[recordsMax] as { offset: number }).offset;
    const { head, tail } = splitSlice(taken, cut);
    this.putBack(tail);
    return head;
  }
}

function joinSlices(a: LogSlice, b: LogSlice): LogSlice {
  return {
    ...b,
    from: a.from,
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
