import type { LogSlice } from '../log/event-log.ts';
import { joinSlices, splitSlice } from '../log/log-slice.ts';

/** `bytes` is the sum over the records. */
export type BufferSize = { readonly records: number; readonly bytes: number };

/** At most this many records and bytes. A single record may exceed `bytesMax`. */
export type BufferLimits = { readonly recordsMax: number; readonly bytesMax: number };

/** Which record it is, and how old. */
export type WhichRecord = {
  readonly offset: number;
  /** See LogRecord; null if it is no time: a foreign client may have set any number. */
  readonly appendedMs: number | null;
};

/** The latest time of a Date (ECMAScript, section 21.4.1.1). */
const TIME_MS_MAX = 8.64e15;

/**
 * The records of one partition that have been fetched and not yet processed, as contiguous slices
 * in order. The fetch loop leaves the partition out while `isFull`, which bounds the buffer.
 */
export class PartitionBuffer {
  readonly #limits: BufferLimits;
  #slices: LogSlice[] = [];
  #records = 0;
  #bytes = 0;
  #fetchOffset: number;
  #arrived = Promise.withResolvers<void>();
  /** The first record of the slice that was taken last. */
  #taken: WhichRecord | undefined;

  /** @param limits from which on it is full. The slice that fills it may exceed them. */
  constructor(fetchOffset: number, limits: BufferLimits) {
    this.#fetchOffset = fetchOffset;
    this.#limits = limits;
  }

  /** The offset to fetch next. */
  get fetchOffset(): number {
    return this.#fetchOffset;
  }

  get size(): BufferSize {
    return { records: this.#records, bytes: this.#bytes };
  }

  /** The first record at or behind the position that has been fetched; undefined if none has. */
  firstFrom(position: number): WhichRecord | undefined {
    const isUnderWay = this.#taken !== undefined && this.#taken.offset >= position;
    return isUnderWay ? this.#taken : firstRecordOf(this.#slices);
  }

  get isFull(): boolean {
    return this.#records >= this.#limits.recordsMax || this.#bytes >= this.#limits.bytesMax;
  }

  /**
   * Adds a fetched slice. Ignores one that does not begin at fetchOffset: a late, outdated answer.
   */
  add(slice: LogSlice): void {
    if (slice.from !== this.#fetchOffset) return;
    this.#slices.push(slice);
    this.#count(slice);
    this.#fetchOffset = slice.next;
    this.wake();
  }

  /** Puts the unprocessed part of a taken slice back in front. */
  putBack(slice: LogSlice): void {
    this.#slices.unshift(slice);
    this.#count(slice);
    this.wake();
  }

  /** Drops everything and continues at another offset. */
  reset(fetchOffset: number): void {
    this.#slices = [];
    this.#records = 0;
    this.#bytes = 0;
    this.#taken = undefined;
    this.#fetchOffset = fetchOffset;
  }

  /** Resolves when there is something to take, or when wake() is called. */
  async arrival(): Promise<void> {
    if (this.#slices.length > 0) return;
    this.#arrived = Promise.withResolvers<void>();
    await this.#arrived.promise;
  }

  wake(): void {
    this.#arrived.resolve();
  }

  /** Takes the next records as one slice within the limits. @returns null if there are none. */
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
    this.#taken = firstRecordOf(taken);
    return taken.length === 0 ? null : joinSlices(taken);
  }

  #count({ records }: LogSlice): void {
    this.#records += records.length;
    this.#bytes += records.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** Not the record itself, which would keep the whole answer of the log in memory. */
function firstRecordOf(slices: readonly LogSlice[]): WhichRecord | undefined {
  const record = slices.find(({ records }) => records.length > 0)?.records[0];
  if (record === undefined) return undefined;
  const { offset, appendedMs } = record;
  return { offset, appendedMs: Math.abs(appendedMs) <= TIME_MS_MAX ? appendedMs : null };
}

/**
 * Adds to `used` the records that fit into the limits.
 * @returns the offset of the first record that does not fit, or null.
 */
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
