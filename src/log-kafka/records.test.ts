import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RecordsBatch } from '@platformatic/kafka';
import { sliceOf } from './records.ts';

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

function batch(first: number, deltas: number[], parts: Partial<RecordsBatch> = {}): RecordsBatch {
  return {
    firstOffset: BigInt(first),
    lastOffsetDelta: Math.max(...deltas, 0),
    partitionLeaderEpoch: 3,
    attributes: 0,
    firstTimestamp: 1000n,
    maxTimestamp: 9000n,
    producerId: 7n,
    records: deltas.map((offsetDelta) => ({
      offsetDelta,
      timestampDelta: BigInt(offsetDelta),
      key: null,
      value: Buffer.from(`v${first + offsetDelta}`),
      headers: [],
    })),
    ...parts,
  } as unknown as RecordsBatch;
}

/** A control record that ends a transaction: type 0 is abort, type 1 is commit. */
function marker(at: number, type: 0 | 1, producerId = 7n): RecordsBatch {
  const end = batch(at, [0], { attributes: TRANSACTIONAL | CONTROL, producerId });
  const [record] = end.records;
  assert.ok(record);
  record.key = Buffer.from([0, 0, 0, type]);
  return end;
}

const offsets = (slice: { records: readonly { offset: number }[] }) =>
  slice.records.map((record) => record.offset);

describe('sliceOf', () => {
  it('gives the records from the wanted offset on, also where the batch begins before it', () => {
    const slice = sliceOf(2, 11, [batch(10, [0, 1, 2]), batch(13, [0])], []);
    assert.deepEqual(offsets(slice), [11, 12, 13]);
    assert.deepEqual([slice.partition, slice.from, slice.next], [2, 11, 14]);
    assert.deepEqual([slice.gaps, slice.leaderEpoch], [[], 3]);
  });

  it('names what compaction removed: between batches, inside, and at the end of one [G3]', () => {
    const slice = sliceOf(0, 0, [batch(2, [0, 3], { lastOffsetDelta: 5 }), batch(8, [0])], []);
    assert.deepEqual(offsets(slice), [2, 5, 8]);
    assert.deepEqual(slice.gaps, [
      { from: 0, to: 2, reason: 'compacted' },
      { from: 3, to: 5, reason: 'compacted' },
      { from: 6, to: 8, reason: 'compacted' },
    ]);
  });

  it('leaves out aborted records, whether or not their abort marker is in the answer [G3]', () => {
    const tx = { attributes: TRANSACTIONAL };
    const aborted = [{ producerId: 7n, firstOffset: 0n }];
    for (const end of [[marker(2, 0)], []]) {
      const slice = sliceOf(0, 0, [batch(0, [0, 1], tx), ...end], aborted);
      assert.deepEqual(offsets(slice), []);
      assert.deepEqual(slice.gaps[0], { from: 0, to: 2, reason: 'aborted' });
      assert.equal(slice.next, 2 + end.length);
    }
  });

  it('keeps the committed transaction of a producer that aborted before and after [G3]', () => {
    const tx = { attributes: TRANSACTIONAL };
    const batches = [
      batch(0, [0], tx),
      marker(1, 0),
      batch(2, [0, 1], tx),
      marker(4, 1),
      batch(5, [0], tx),
      marker(6, 0),
    ];
    const aborted = [
      { producerId: 7n, firstOffset: 5n },
      { producerId: 7n, firstOffset: 0n },
    ];
    const slice = sliceOf(0, 0, batches, aborted);
    assert.deepEqual(offsets(slice), [2, 3]);
    assert.deepEqual(
      slice.gaps.map((gap) => `${gap.from}-${gap.to} ${gap.reason}`),
      ['0-1 aborted', '1-2 control', '4-5 control', '5-6 aborted', '6-7 control'],
    );
  });

  it('keeps other producers’ records inside an aborted range', () => {
    const tx = { attributes: TRANSACTIONAL };
    const batches = [batch(0, [0], tx), batch(1, [0], { producerId: 8n }), marker(2, 0)];
    const slice = sliceOf(0, 0, batches, [{ producerId: 7n, firstOffset: 0n }]);
    assert.deepEqual(offsets(slice), [1]);
  });

  it('takes the append time of the log where the topic says so', () => {
    const [record] = sliceOf(0, 0, [batch(0, [0], { attributes: 0x08 })], []).records;
    assert.equal(record?.appendedMs, 9000);
  });
});
