import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Position } from '../store/positions.ts';
import { checkPosition } from './position-check.ts';

const position: Position = {
  partition: 2,
  logId: 1,
  nextOffset: 10,
  lastOffset: 9,
  lastDigest: 'ff',
  waitsFor: null,
};

it('checkPosition goes on only within the log that the position belongs to [G3]', () => {
  const cases: [logId: number, start: number, end: number, code: string | undefined][] = [
    [1, 0, 20, undefined],
    [1, 10, 10, undefined],
    [1, 11, 20, 'POSITION_BEFORE_LOG_START'],
    [1, 0, 9, 'POSITION_PAST_LOG_END'],
    [2, 0, 20, 'LOG_RECREATED'],
  ];
  for (const [logId, start, end, code] of cases) {
    assert.equal(checkPosition(position, logId, { start, end })?.code, code);
  }
});
