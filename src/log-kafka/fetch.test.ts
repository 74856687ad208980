import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FetchResponse, fetchRequest, readFetchAnswer } from './fetch.ts';

type Partition = FetchResponse['responses'][number]['partitions'][number];

const partition = (partitionIndex: number, parts: Partial<Partition> = {}): Partition => ({
  partitionIndex,
  errorCode: 0,
  highWatermark: 10n,
  lastStableOffset: 10n,
  abortedTransactions: [],
  records: [],
  ...parts,
});
const wishes = (...partitions: number[]) => partitions.map((p) => ({ partition: p, offset: 7 }));
const read = (partitions: readonly Partition[], ...wanted: number[]) =>
  readFetchAnswer({ responses: [{ partitions }] }, wishes(...wanted));

it('a fetch names the leader epochs of the partition and of what was read before', () => {
  const layout = { id: 'id', partitions: [{ leader: 1, epoch: 5 }], brokers: new Map() };
  const limits = { waitMs: 10, bytesPerPartition: 100 };
  const { args } = fetchRequest(
    't',
    layout,
    [{ partition: 0, offset: 7, lastEpoch: 3 }],
    limits,
    0,
  );
  const [topic] = args(13)[6] as [{ partitions: readonly object[] }];
  assert.deepEqual(topic.partitions, [
    {
      partition: 0,
      fetchOffset: 7n,
      currentLeaderEpoch: 5,
      lastFetchedEpoch: 3,
      partitionMaxBytes: 100,
    },
  ]);
});

describe('readFetchAnswer', () => {
  it('tells what failed from what was read, each partition apart', () => {
    const answer = read(
      [partition(0), partition(1, { errorCode: 6 }), partition(2, { errorCode: 1 })],
      0,
      1,
      2,
    );
    assert.deepEqual([answer.served, answer.outOfRange], [[0], [2]]);
    assert.match(answer.failed.get(1) ?? '', /NOT_LEADER/);
  });

  it('names partitions whose log parts from what was read, and takes nothing of them', () => {
    const parted = partition(0, { divergingEpoch: { epoch: 2 } });
    const answer = read([parted, partition(1, { divergingEpoch: { epoch: -1 } })], 0, 1);
    assert.deepEqual([answer.diverged, answer.served], [[0], [1]]);
  });

  it('names partitions that the broker left out', () => {
    const { failed } = read([], 3);
    assert.match(failed.get(3) ?? '', /did not answer for it/);
  });

  it('says which offsets an open transaction holds back', () => {
    const held = partition(0, { lastStableOffset: 7n });
    assert.deepEqual(read([held], 0).heldBack, new Map([[0, { from: 7, to: 10 }]]));
    // Records before the transaction can still be read.
    assert.equal(read([partition(0, { lastStableOffset: 8n })], 0).heldBack.size, 0);
  });
});
