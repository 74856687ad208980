import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type MetadataAnswer, newerLayout, topicIn } from './topic-layout.ts';

type Partition = MetadataAnswer['topics'][number]['partitions'][number];

const brokers = [{ nodeId: 1, host: 'one', port: 9092 }];
const partition = (partitionIndex: number, leaderId: number, leaderEpoch = 5): Partition => ({
  partitionIndex,
  leaderId,
  leaderEpoch,
});
const answer = (partitions: readonly Partition[], errorCode = 0): MetadataAnswer => ({
  brokers,
  topics: [{ errorCode, name: 't', topicId: 'id', partitions }],
});

describe('topicIn', () => {
  it('keeps the partitions that have a leader beside those that have none', () => {
    const layout = topicIn(answer([partition(1, -1), partition(0, 1)]), 't');
    assert.deepEqual(
      layout.partitions.map(({ leader }) => leader),
      [1, null],
    );
  });

  it('says what is wrong with the topic as a whole', () => {
    assert.throws(() => topicIn(answer([], 3), 't'), { code: 'NOT_MIGRATED' });
    assert.throws(() => topicIn(answer([]), 'other'), { code: 'NOT_MIGRATED' });
    assert.throws(() => topicIn(answer([], 29), 't'), /grant it DESCRIBE/);
    assert.throws(() => topicIn(answer([], 5), 't'), /no partitions yet: LEADER_NOT_AVAILABLE/);
  });
});

describe('newerLayout', () => {
  it('takes of each partition what was true last, whichever broker said it when', () => {
    const known = topicIn(answer([partition(0, 1, 7), partition(1, 1, 5)]), 't');
    const heard = topicIn(answer([partition(0, 2, 6), partition(1, 2, 6)]), 't');
    assert.deepEqual(
      newerLayout(known, heard).partitions.map(({ leader }) => leader),
      [1, 2],
    );
  });

  it('begins anew with a topic that was re-created', () => {
    const known = topicIn(answer([partition(0, 1, 7)]), 't');
    const heard = { ...topicIn(answer([partition(0, 1, 0)]), 't'), id: 'another' };
    assert.equal(newerLayout(known, heard), heard);
  });

  it('never forgets a partition or a broker: an answer may lack both for a moment', () => {
    const known = topicIn(answer([partition(0, 1), partition(1, 1)]), 't');
    const heard = { ...topicIn(answer([partition(0, 1)]), 't'), brokers: new Map() };
    const layout = newerLayout(known, heard);
    assert.deepEqual([layout.partitions.length, layout.brokers.size], [2, 1]);
  });
});
