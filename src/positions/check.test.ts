import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Position } from '../store/positions.ts';
import { checkPosition } from './check.ts';

const position: Position = {
  partition: 2,
  logId: 1,
  topicId: 'a',
  startOffset: 0,
  nextOffset: 10,
  lastOffset: 9,
  lastDigest: 'ff',
  waitsFor: null,
  owner: null,
  updatedAt: '1970-01-01T00:00:00.000000Z',
};

it('checkPosition continues only within the log that the position belongs to [G3]', () => {
  const cases: [topicId: string, start: number, end: number, code: string | undefined][] = [
    ['a', 0, 20, undefined],
    ['a', 10, 10, undefined],
    ['a', 11, 20, 'POSITION_BEFORE_LOG_START'],
    ['a', 0, 9, 'POSITION_PAST_LOG_END'],
    ['b', 0, 20, 'LOG_RECREATED'],
  ];
  for (const [topicId, start, end, code] of cases) {
    assert.equal(checkPosition(position, topicId, { start, end })?.error.code, code);
  }
});
