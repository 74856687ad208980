/**
 * Turns the record batches of a fetch answer into a slice. Records of aborted transactions are
 * filtered here: the client library only sees abort markers of the same answer, and would deliver
 * aborted records whose marker comes later.
 */
import type { RecordsBatch } from '@platformatic/kafka';
import type { LogGap, LogRecord, LogSlice } from '../log/event-log.ts';
import { slimRecord } from '../log/log-record.ts';

/** An entry of the list of aborted transactions in a Fetch answer. */
export type AbortedTransaction = { readonly producerId: bigint; readonly firstOffset: bigint };

const TIMESTAMP_IS_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** The type of an abort marker, in bytes 2 and 3 of the key of a control record (KIP-98). */
const ABORT = 0;

/**
 * @param from the requested offset. Batches may begin before it, since the broker sends whole ones.
 * @param aborted the list of the broker for this answer: the records of a producer are aborted from
 * firstOffset up to its next abort marker.
 */
export function sliceOf(
  partition: number,
  from: number,
  batches: readonly RecordsBatch[],
  aborted: readonly AbortedTransaction[],
): LogSlice {
  const records: LogRecord[] = [];
  const gaps: LogGap[] = [];
  const ahead = [...aborted].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  const aborting = new Set<bigint>();
  let next = from;
  let leaderEpoch = -1;
  const skipTo = (to: number, reason: LogGap['reason']) => {
    if (to > next) addGap(gaps, { from: next, to, reason });
    next = Math.max(next, to);
  };
  for (const batch of batches) {
    const first = Number(batch.firstOffset);
    const end = first + batch.lastOffsetDelta + 1;
    while (ahead[0] !== undefined && Number(ahead[0].firstOffset) < end) {
      aborting.add((ahead.shift() as AbortedTransaction).producerId);
    }
    leaderEpoch = batch.partitionLeaderEpoch;
    // Aborted batches may be missing here, because the client library has already filtered them.
    skipTo(first, aborting.size > 0 ? 'aborted' : 'compacted');
    if ((batch.attributes & CONTROL) !== 0) {
      if (isAbortMarker(batch)) aborting.delete(batch.producerId);
      skipTo(end, 'control');
      continue;
    }
    if ((batch.attributes & TRANSACTIONAL) !== 0 && aborting.has(batch.producerId)) {
      skipTo(end, 'aborted');
      continue;
    }
    for (const record of batch.records) {
      const offset = first + record.offsetDelta;
      if (offset < next) continue;
      skipTo(offset, 'compacted');
      const { key, value, headers } = record;
      const appendedMs = timeOf(batch, record);
      records.push(slimRecord({ partition, offset, key, value, headers, appendedMs }));
      next = offset + 1;
    }
    // Compaction may remove the last records of a batch, but the batch keeps its last offset.
    skipTo(end, 'compacted');
  }
  return { partition, from, next, records, gaps, leaderEpoch };
}

function timeOf(batch: RecordsBatch, record: { timestampDelta: bigint }): number {
  return (batch.attributes & TIMESTAMP_IS_APPEND_TIME) !== 0
    ? Number(batch.maxTimestamp)
    : Number(batch.firstTimestamp + record.timestampDelta);
}

function isAbortMarker(batch: RecordsBatch): boolean {
  const key = batch.records[0]?.key;
  return key !== null && key !== undefined && key.length >= 4 && key.readInt16BE(2) === ABORT;
}

function addGap(gaps: LogGap[], gap: LogGap): void {
  const last = gaps.at(-1);
  if (last?.to === gap.from && last.reason === gap.reason) gaps.pop();
  gaps.push(
    last?.to === gap.from && last.reason === gap.reason ? { ...gap, from: last.from } : gap,
  );
}
