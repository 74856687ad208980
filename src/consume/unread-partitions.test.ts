import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Logger } from '../runtime/logger.ts';
import { UnreadPartitions } from './unread-partitions.ts';

const NOTHING = { served: [], failed: new Map(), heldBack: new Map() };

function setUp() {
  const lines: string[] = [];
  const clock = { ms: 0 };
  const log = (_fields: object, text: string) => void lines.push(text);
  const logger = { warn: log, info: log } as unknown as Logger;
  return { lines, clock, unread: new UnreadPartitions(logger, () => clock.ms) };
}

describe('UnreadPartitions', () => {
  it('lets a partition that fails wait, and only that one', () => {
    const { clock, unread } = setUp();
    unread.note({ ...NOTHING, served: [0], failed: new Map([[1, 'no leader']]) });
    assert.deepEqual([unread.isDue(0), unread.isDue(1)], [true, false]);
    clock.ms = 2000;
    assert.equal(unread.isDue(1), true);
    // The first failures are not reported, since a moved leader is found at one of the next tries.
    assert.equal(unread.troubles.size, 0);
    for (let i = 0; i < 5; i++) unread.fail(1, 'no leader');
    assert.deepEqual([...unread.troubles], [[1, 'cannot be read from the log: no leader']]);
  });

  it('writes one line when a partition begins to fail and one when it is read again', () => {
    const { lines, unread } = setUp();
    for (let i = 0; i < 50; i++) unread.fail(1, `reason ${i}`);
    unread.note({ ...NOTHING, served: [1] });
    assert.deepEqual(lines, ['Partition cannot be read', 'Partition is read again']);
    assert.equal(unread.troubles.size, 0);
  });

  it('names a transaction that stays open, not one that soon ends', () => {
    const { clock, unread } = setUp();
    const held = (from: number) => ({
      ...NOTHING,
      served: [0],
      heldBack: new Map([[0, { from, to: from + 5 }]]),
    });
    unread.note(held(10));
    clock.ms = 9000;
    unread.note(held(12));
    assert.equal(unread.troubles.size, 0);
    clock.ms = 20_000;
    unread.note(held(12));
    assert.match(
      unread.troubles.get(0) ?? '',
      /offsets 12 to 16 wait for the end of a transaction/,
    );
    unread.note({ ...NOTHING, served: [0] });
    assert.equal(unread.troubles.size, 0);
  });
});
