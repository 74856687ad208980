import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { recordOf } from '../../test/support/events.ts';
import type { LogSlice } from '../log/event-log.ts';
import { logRecord } from '../log/log-record.ts';
import { splitSlice } from '../log/log-slice.ts';
import { PartitionBuffer } from './partition-buffer.ts';

/** A slice in which some offsets hold a record and the others are gaps. */
function sliceOf(from: number, holds: boolean[]): LogSlice {
  const records = holds.flatMap((has, i) => (has ? [recordOf(from + i, 'x')] : []));
  const gaps = holds.flatMap((has, i) =>
    has ? [] : [{ from: from + i, to: from + i + 1, reason: 'control' as const }],
  );
  return { partition: 0, from, next: from + holds.length, records, gaps, leaderEpoch: 1 };
}

/** The offsets of a slice in order. Each must be that of a record or lie in a gap, exactly once. */
function offsetsOf(slice: LogSlice): number[] {
  const ofGaps = slice.gaps.flatMap(({ from, to }) =>
    Array.from({ length: to - from }, (_, i) => from + i),
  );
  return [...slice.records.map(({ offset }) => offset), ...ofGaps].sort((a, b) => a - b);
}

describe('PartitionBuffer', () => {
  it('knows the first record at the position, whether it waits or is under way', () => {
    const buffer = new PartitionBuffer(0, { recordsMax: 100, bytesMax: 1e6 });
    const firstAt = (position: number) => buffer.firstFrom(position)?.offset;
    assert.equal(firstAt(0), undefined);
    buffer.add(sliceOf(0, [false, true, true]));
    buffer.add(sliceOf(3, [true]));
    assert.equal(firstAt(0), 1);
    const taken = buffer.take({ recordsMax: 2, bytesMax: 1e6 });
    assert.equal(firstAt(0), 1, 'it is under way');
    assert.equal(firstAt(3), 3, 'it has been committed, and the next one waits');
    buffer.putBack(taken as LogSlice);
    assert.equal(firstAt(0), 1, 'its batch failed');
    buffer.reset(9);
    assert.equal(firstAt(0), undefined);
  });

  it('gives back what was put in, in order and without a hole, however it is cut [G3]', () => {
    const slices = fc.array(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(slices, fc.integer({ min: 1, max: 5 }), fc.boolean(), (all, most, putsBack) => {
        const buffer = new PartitionBuffer(10, { recordsMax: 1000, bytesMax: 1e6 });
        for (const holds of all) buffer.add(sliceOf(buffer.fetchOffset, holds));
        const end = buffer.fetchOffset;
        const seen: number[] = [];
        let next = 10;
        const limits = { recordsMax: most, bytesMax: 1e6 };
        for (let taken = buffer.take(limits); taken !== null; taken = buffer.take(limits)) {
          assert.equal(taken.from, next);
          assert.ok(taken.records.length <= most);
          // As after a batch that failed, or of which only a part was committed.
          const middle = taken.from + ((taken.next - taken.from) >> 1);
          if (putsBack && middle > taken.from) {
            const { head, tail } = splitSlice(taken, middle);
            buffer.putBack(tail);
            taken = head;
          }
          seen.push(...offsetsOf(taken));
          next = taken.next;
        }
        assert.equal(next, end);
        assert.deepEqual(
          seen,
          Array.from({ length: end - 10 }, (_, i) => 10 + i),
        );
      }),
    );
  });

  it('takes only the slice that it asked for', () => {
    const buffer = new PartitionBuffer(5, { recordsMax: 10, bytesMax: 1e6 });
    buffer.add(sliceOf(4, [true]));
    buffer.add(sliceOf(6, [true]));
    assert.equal(buffer.take({ recordsMax: 10, bytesMax: 1e6 }), null);
    assert.equal(buffer.fetchOffset, 5);
  });

  it('is full by its number of records, and empty after a reset [G10]', () => {
    const buffer = new PartitionBuffer(0, { recordsMax: 2, bytesMax: 1e6 });
    buffer.add(sliceOf(0, [true]));
    assert.equal(buffer.isFull, false);
    buffer.add(sliceOf(1, [true]));
    assert.equal(buffer.isFull, true);
    buffer.reset(7);
    assert.deepEqual([buffer.isFull, buffer.fetchOffset], [false, 7]);
  });

  it('is full by bytes too, and gives batches within a number of bytes, one record at least [G10]', () => {
    const buffer = new PartitionBuffer(0, { recordsMax: 100, bytesMax: 1000 });
    for (const bytes of [400, 500, 2000, 1]) {
      const [record] = sliceOf(buffer.fetchOffset, [true]).records;
      assert.ok(record);
      const records = [logRecord({ ...record, value: Buffer.alloc(bytes) })];
      buffer.add({ ...sliceOf(buffer.fetchOffset, [true]), records });
    }
    assert.equal(buffer.isFull, true);
    const sizes: number[] = [];
    for (let i = 0; i < 3; i++) {
      const taken = buffer.take({ recordsMax: 100, bytesMax: 1000 });
      sizes.push(taken?.records.length ?? 0);
    }
    assert.deepEqual(sizes, [2, 1, 1]);
    assert.equal(buffer.isFull, false);
  });

  it('wakes up who waits for records', async () => {
    const buffer = new PartitionBuffer(0, { recordsMax: 2, bytesMax: 1e6 });
    const arrival = buffer.arrival();
    buffer.add(sliceOf(0, [true]));
    await arrival;
  });
});
