import assert from 'node:assert/strict';
import { it } from 'node:test';
import { lagMs } from './lag-watch.ts';

const ends = (...offsets: number[]) => new Map(offsets.entries());

it('the lag is the time since the log ended at the position, of the worst partition', () => {
  const samples = [
    { at: 1000, ends: ends(10, 50) },
    { at: 2000, ends: ends(20, 50) },
    { at: 3000, ends: ends(30, 50) },
  ];
  assert.equal(lagMs(samples, ends(30, 50)), 0);
  assert.equal(lagMs(samples, ends(25, 50)), 1000);
  assert.equal(lagMs(samples, ends(10, 50)), 2000);
  assert.equal(lagMs(samples, ends(30, 49)), 2000, 'at least as long as it was watched');
  assert.equal(lagMs([], ends(0)), 0);
});
