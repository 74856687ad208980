import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Position } from '../store/positions.ts';
import { behindOf, unmovedSince } from './unattended.ts';

const at = (partition: number, nextOffset: number): Position => ({
  partition,
  nextOffset,
  logId: 1,
  topicId: 'a',
  startOffset: 0,
  lastOffset: null,
  lastDigest: null,
  waitsFor: null,
  owner: null,
  updatedAt: '1970-01-01T00:00:00.000000Z',
});
const bounds = new Map([0, 1, 2].map((partition) => [partition, { start: 0, end: 10 }] as const));

describe('Unattended partitions', () => {
  it('are those of others that are behind at both looks and did not move', () => {
    const positions = [at(0, 5), at(1, 5), at(2, 10)];
    const before = behindOf(positions, bounds, new Set([0]));
    assert.deepEqual([...before], [[1, 5]], 'ours, and those at the end, are left out');
    assert.deepEqual(unmovedSince(before, behindOf(positions, bounds, new Set([0]))), [1]);
  });

  it('are not those that move, nor those whose records came only now', () => {
    const before = behindOf([at(1, 5), at(2, 10)], bounds, new Set());
    assert.deepEqual(unmovedSince(before, behindOf([at(1, 6)], bounds, new Set())), []);
    const grown = new Map([[2, { start: 0, end: 11 }]]);
    assert.deepEqual(unmovedSince(before, behindOf([at(2, 10)], grown, new Set())), []);
  });
});
