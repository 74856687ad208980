import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { OFFSETS_END } from '../store/account-parts.ts';
import { SEGMENT, type Unproven } from '../store/proof-progress.ts';
import { advancePass, beginPass, planHead } from './head-plan.ts';

const AT = '2026-01-02T03:04:05.000000Z';

it('a pass proves each partition up to its position, without a hole, within segments and limits', () => {
  const partitions = fc.array(
    fc.record({ from: fc.nat(70_000), more: fc.nat(70_000), grows: fc.nat(300) }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(partitions, fc.integer({ min: 400, max: 30_000 }), (made, offsetsMax) => {
      const state = made.map(({ from, more, grows }, partition) => {
        return { logId: 1, partition, from, to: from + more, grows };
      });
      const unproven = (): Unproven[] =>
        state
          .filter(({ from, to }) => from !== to)
          .map(({ grows, ...range }) => range)
          .sort((a, b) => b.to - b.from - (a.to - a.from));
      const targets = state.map(({ to }) => to);
      let pass = beginPass(unproven(), AT);
      for (let step = 0; pass.targets.size > 0; step++) {
        assert.ok(step < 5000, 'it comes to an end though positions move');
        const { ranges, read } = planHead(pass, unproven(), offsetsMax);
        assert.equal(read.length, ranges.length);
        assert.ok(ranges.reduce((sum, { from, to }) => sum + to - from, 0) <= offsetsMax);
        for (const [i, { partition, from, to }] of ranges.entries()) {
          const of = state[partition] as (typeof state)[number];
          assert.equal(from, of.from);
          assert.ok(to > from && to <= of.to);
          assert.equal(Math.floor(from / SEGMENT), Math.floor((to - 1) / SEGMENT));
          assert.equal(read[i]?.to, to === of.to ? OFFSETS_END : to);
          of.from = to;
        }
        pass = advancePass(pass, ranges);
        for (const partition of state) partition.to += partition.grows;
      }
      for (const [i, { from }] of state.entries()) assert.ok(from >= (targets[i] as number));
    }),
  );
});

it('a position that was moved back behind the head is looked past, and proves nothing', () => {
  const back = { logId: 1, partition: 0, from: 8, to: 7 };
  const pass = beginPass([back], AT);
  assert.equal(pass.targets.size, 0);
  const { ranges, read } = planHead(pass, [back], 100);
  assert.deepEqual(ranges, []);
  assert.deepEqual(read, [{ logId: 1, partition: 0, from: 7, to: OFFSETS_END }]);
});
