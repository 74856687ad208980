/** Reads the records that the log still holds, and compares each with the tables. */

import type { RecordRules } from '../log/decode-hook.ts';
import { isUnavailable, type LogReader, type LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { readSlice } from '../log/read-slice.ts';
import { type Position, readGenerations, readPositions } from '../store/positions.ts';
import type { Transaction } from '../store/queryable.ts';
import { compareSlice, type LogFinding } from './compare-slice.ts';
import { boundsOfAll, onceAvailable } from './patient-reads.ts';

export type LogComparison = {
  /** How many offsets were compared. */
  readonly compared: number;
  /** How many processed offsets the log no longer holds, because retention removed them. */
  readonly gone: number;
  /** What contradicts the tables; at most FINDINGS_MAX. */
  readonly findings: readonly LogFinding[];
};

const FINDINGS_MAX = 1000;

/**
 * Compares all processed offsets that the logs still hold with the tables, one topic after the other.
 * @param tx a transaction with a snapshot, which decides what has been processed.
 * @param onProgress called with the number of offsets compared so far and their total.
 * @throws LOG_UNAVAILABLE if a part of the log cannot be read for half a minute.
 */
export async function compareWithLogs(
  tx: Transaction,
  { readers, rules }: { readonly readers: readonly LogReader[]; readonly rules: RecordRules },
  onProgress: (done: number, of: number) => void,
): Promise<LogComparison> {
  const all: LogComparison[] = [];
  for (const reader of readers) {
    const comparison = await compareWithLog(tx, { reader, rules }, onProgress);
    const name = readers.length === 1 ? {} : { topic: reader.topic };
    const findings = comparison.findings.map((found) => ({ ...found, ...name }));
    all.push({ ...comparison, findings });
  }
  return {
    compared: all.reduce((sum, { compared }) => sum + compared, 0),
    gone: all.reduce((sum, { gone }) => sum + gone, 0),
    findings: all.flatMap(({ findings }) => findings).slice(0, FINDINGS_MAX),
  };
}

async function compareWithLog(
  tx: Transaction,
  { reader, rules }: { readonly reader: LogReader; readonly rules: RecordRules },
  onProgress: (done: number, of: number) => void,
): Promise<LogComparison> {
  const { topicId } = await onceAvailable(() => reader.identity());
  const comparison = new Comparison(tx, { reader, rules, topicId, onProgress });
  const positions = await readPositions(tx, reader.topic);
  await comparison.plan(positions);
  return await comparison.run();
}

/** Offsets [from, to) of a partition, processed under one log_id. */
type Range = {
  readonly partition: number;
  readonly logId: number;
  readonly from: number;
  readonly to: number;
};

class Comparison {
  readonly #tx: Transaction;
  readonly #reader: LogReader;
  readonly #rules: RecordRules;
  readonly #topicId: string;
  readonly #onProgress: (done: number, of: number) => void;
  readonly #ranges: Range[] = [];
  readonly #findings: LogFinding[] = [];
  #compared = 0;
  #gone = 0;
  #total = 0;

  constructor(
    tx: Transaction,
    parts: {
      readonly reader: LogReader;
      readonly rules: RecordRules;
      readonly topicId: string;
      readonly onProgress: (done: number, of: number) => void;
    },
  ) {
    this.#tx = tx;
    this.#reader = parts.reader;
    this.#rules = parts.rules;
    this.#topicId = parts.topicId;
    this.#onProgress = parts.onProgress;
  }

  async plan(positions: readonly Position[]): Promise<void> {
    const partitions = positions.map(({ partition }) => partition);
    const bounds = await boundsOfAll(this.#reader, partitions);
    for (const position of positions) {
      const { partition, nextOffset: offset } = position;
      if (position.topicId !== this.#topicId) {
        this.#find({
          partition,
          offset,
          message: 'is the position in a topic that no longer exists',
        });
        continue;
      }
      const { start = 0, end = 0 } = bounds.get(partition) ?? {};
      if (offset > end) {
        const message = `is the position, but the log ends at ${end}: records that were processed are gone`;
        this.#find({ partition, offset, message });
      }
      for (const { logId, from, to } of await readGenerations(
        this.#tx,
        this.#reader.topic,
        position,
      )) {
        const range = { partition, logId, from: Math.max(from, start), to: Math.min(to, end) };
        this.#gone += Math.min(to, range.from) - from;
        if (range.from < range.to) this.#ranges.push(range);
      }
    }
    this.#total = this.#ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  }

  #find(parts: Omit<LogFinding, 'kind'>): void {
    this.#findings.push({ kind: 'not in the log', ...parts });
  }

  async run(): Promise<LogComparison> {
    for (const range of this.#ranges) await this.#compare(range);
    return { compared: this.#compared, gone: this.#gone, findings: this.#findings };
  }

  async #compare({ partition, logId, from, to }: Range): Promise<void> {
    for (let offset = from; offset < to; ) {
      const read = await onceAvailable(() => this.#read(partition, offset, to));
      if (typeof read === 'number') {
        // Retention has removed records during the comparison.
        this.#gone += read - offset;
        offset = read;
        continue;
      }
      const found = await compareSlice(this.#tx, { logId, partition }, read, {
        rules: this.#rules,
        topic: this.#reader.topic,
      });
      this.#findings.push(...found.slice(0, FINDINGS_MAX - this.#findings.length));
      this.#compared += read.next - offset;
      offset = read.next;
      this.#onProgress(this.#compared, this.#total);
    }
  }

  /**
   * Reads from the offset on, but nothing behind `to`.
   * @returns the offset at which the log begins now, at most `to`, if it has removed this one.
   */
  async #read(partition: number, offset: number, to: number): Promise<LogSlice | number> {
    try {
      const whole = await readSlice(this.#reader, this.#topicId, { partition, offset });
      return splitSlice(whole, Math.min(whole.next, to)).head;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      const start = (await this.#reader.bounds([partition], true)).get(partition)?.start ?? 0;
      if (start > offset) return Math.min(start, to);
      throw error;
    }
  }
}
