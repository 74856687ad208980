/** Reads again what the log still holds, and compares it with the tables record by record. */
import type { LogReader } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { readSlice } from '../log/read-slice.ts';
import type { Transaction } from '../store/pool.ts';
import { readPositions } from '../store/positions.ts';
import { compareSlice, type LogFinding } from './compare-slice.ts';

export type LogComparison = {
  readonly compared: number;
  /** Processed offsets that the log has no more: retention took them. */
  readonly gone: number;
  /** FINDINGS_MAX at most. */
  readonly findings: readonly LogFinding[];
};

const FINDINGS_MAX = 1000;

/**
 * @param tx whose snapshot says what was processed.
 * @param onProgress offsets done, of how many.
 */
export async function compareWithLog(
  tx: Transaction,
  reader: LogReader,
  onProgress: (done: number, of: number) => void,
): Promise<LogComparison> {
  const { topicId, partitions } = await reader.identity();
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const bounds = await reader.bounds(all, true);
  const wanted = (await readPositions(tx, reader.topic))
    .filter((position) => position.topicId === topicId)
    .map((position) => {
      const { start = 0, end = 0 } = bounds.get(position.partition) ?? {};
      const from = Math.min(Math.max(position.startOffset, start), position.nextOffset);
      return { ...position, from, to: Math.min(position.nextOffset, end) };
    });
  const total = wanted.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0);
  const gone = wanted.reduce((sum, { startOffset, from }) => sum + from - startOffset, 0);
  const findings: LogFinding[] = [];
  let compared = 0;
  for (const { logId, partition, from, to } of wanted) {
    for (let offset = from; offset < to; ) {
      const whole = await readSlice(reader, topicId, { partition, offset });
      const slice = splitSlice(whole, Math.min(whole.next, to)).head;
      const found = await compareSlice(tx, { logId, partition }, slice);
      findings.push(...found.slice(0, FINDINGS_MAX - findings.length));
      compared += slice.next - offset;
      offset = slice.next;
      onProgress(compared, total);
    }
  }
  return { compared, gone, findings };
}
