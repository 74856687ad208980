import type { LogSlice } from '../log/event-log.ts';
import { joinSlices, splitSlice } from '../log/log-slice.ts';

export type BufferSize = { readonly records: number; readonly bytes: number };

/** At most so many records, and so many bytes in them; one record is always let through. */
export type BufferLimits = { readonly recordsMax: number; readonly bytesMax: number };

/**
 * What has been fetched of one partition and not yet processed: contiguous slices, in order.
 * Bounded: isFull tells the fetch loop to leave the partition out.
 */
export class PartitionBuffer {
  readonly #limits: BufferLimits;
  #slices: LogSlice[] = [];
  #records = 0;
  #bytes = 0;
  #fetchOffset: number;
  #arrived = Promise.withResolvers<void>();

  /** @param limits of what may wait; one more fetched slice may overshoot them. */
  constructor(fetchOffset: number, limits: BufferLimits) {
    this.#fetchOffset = fetchOffset;
    this.#limits = limits;
  }

  /** From where to fetch next. */
  get fetchOffset(): number {
    return this.#fetchOffset;
  }

  get size(): BufferSize {
    return { records: this.#records, bytes: this.#bytes };
  }

  get isFull(): boolean {
    return this.#records >= this.#limits.recordsMax || this.#bytes >= this.#limits.bytesMax;
  }

  /** Takes a fetched slice, unless it is not the next one: an answer to an older question. */
  add(slice: LogSlice): void {
    if (slice.from !== this.#fetchOffset) return;
    this.#slices.push(slice);
    this.#count(slice);
    this.#fetchOffset = slice.next;
    this.wake();
  }

  /** Puts back, in front, the part of a taken slice that was not processed. */
  putBack(slice: LogSlice): void {
    this.#slices.unshift(slice);
    this.#count(slice);
    this.wake();
  }

  /** Drops everything and goes on from another offset. */
  reset(fetchOffset: number): void {
    this.#slices = [];
    this.#records = 0;
    this.#bytes = 0;
    this.#fetchOffset = fetchOffset;
  }

  /** Resolves when there is something to take, or at wake(). */
  async arrival(): Promise<void> {
    if (this.#slices.length > 0) return;
    this.#arrived = Promise.withResolvers<void>();
    await this.#arrived.promise;
  }

  wake(): void {
    this.#arrived.resolve();
  }

  /** The next records as one slice within the limits, or null when there are none. */
  take(limits: BufferLimits): LogSlice | null {
    const taken: LogSlice[] = [];
    const used = { records: 0, bytes: 0 };
    for (let next = this.#slices.shift(); next !== undefined; next = this.#slices.shift()) {
      const cut = use(used, next, limits);
      if (cut === null) {
        taken.push(next);
        continue;
      }
      const { head, tail } = splitSlice(next, cut);
      this.#slices.unshift(tail);
      if (head.next > head.from) taken.push(head);
      break;
    }
    this.#records -= used.records;
    this.#bytes -= used.bytes;
    return taken.length === 0 ? null : joinSlices(taken);
  }

  #count({ records }: LogSlice): void {
    this.#records += records.length;
    this.#bytes += records.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** Adds to `used` what still fits. @returns the offset of the first record that does not, or null. */
function use(
  used: { records: number; bytes: number },
  { records }: LogSlice,
  { recordsMax, bytesMax }: BufferLimits,
): number | null {
  for (const record of records) {
    const bytes = used.bytes + record.bytes;
    if (used.records > 0 && (used.records >= recordsMax || bytes > bytesMax)) return record.offset;
    used.records++;
    used.bytes = bytes;
  }
  return null;
}
