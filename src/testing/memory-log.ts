import type { LogRecord, LogSlice } from '../log/event-log.ts';
import { logRecord } from '../log/log-record.ts';

/** What is appended: the key decides nothing, since there is one partition. */
export type MemoryRecord = {
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly appendedMs: number;
};

/**
 * One partition of a log, in memory. A kit has one, so that the order of all events is known, and
 * two runs over the same events can be compared.
 */
export class MemoryLog {
  readonly #records: LogRecord[] = [];
  readonly #start: number;
  readonly partition: number;

  /** @param start offset of the first record. */
  constructor(start = 0, partition = 0) {
    this.#start = start;
    this.partition = partition;
  }

  /** The offset of the next record. */
  get end(): number {
    return this.#start + this.#records.length;
  }

  /** @returns the record's offset. */
  append({ key, value, appendedMs }: MemoryRecord): number {
    const offset = this.end;
    const bytes = key === null ? null : Buffer.from(key);
    const { partition } = this;
    this.#records.push(
      logRecord({ partition, offset, key: bytes, value, headers: [], appendedMs }),
    );
    return offset;
  }

  /** At most `recordsMax` records from an offset on. */
  slice(from: number, recordsMax: number): LogSlice {
    const at = from - this.#start;
    const records = this.#records.slice(at, at + recordsMax);
    const { partition } = this;
    return { partition, from, next: from + records.length, records, gaps: [], leaderEpoch: 0 };
  }
}
