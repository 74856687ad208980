import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UNDECLARED } from '../event/event-rules.ts';
import { TestClock } from './clock.ts';
import { completeEvent } from './events.ts';
import { type Consume, overlap, shareOut } from './two-consumers.ts';

const COMMIT = { number: 6, isCommit: true };
const INSERT = { number: 5, isCommit: false };

describe('Two consumers', () => {
  it('share the events: each order stays whole and in sequence, and each has every other order', () => {
    const orders = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 12 });
    fc.assert(
      fc.property(orders, (numbers) => {
        const events = numbers.map((n) =>
          completeEvent({ order_id: `order ${n}` }, new TestClock(), UNDECLARED),
        );
        const shares = shareOut(events);
        assert.equal(shares[0].length + shares[1].length, events.length);
        for (const id of new Set(events.map((event) => event.order_id))) {
          const whole = events.filter((event) => event.order_id === id);
          const kept = shares.map((share) => share.filter((event) => event.order_id === id));
          assert.ok(kept.some((share) => share.length === 0));
          assert.deepEqual(kept.flat(), whole);
        }
        assert.equal(shares[1].length > 0, new Set(numbers).size > 1);
      }),
    );
  });

  /** @returns what happened, in sequence. */
  async function happens(attemptsOfFirst: number, isBlocked: boolean): Promise<string[]> {
    const seen: string[] = [];
    const consume =
      (name: string, attempts: number): Consume =>
      async (rule) => {
        for (let attempt = 0; attempt < attempts; attempt++) {
          await rule?.(INSERT);
          seen.push(`${name} inserts`);
          await rule?.(COMMIT);
          seen.push(`${name} commits`);
        }
      };
    const blocked = async () => isBlocked && seen.includes('second inserts');
    await overlap(consume('first', attemptsOfFirst), consume('second', 1), blocked);
    return seen;
  }

  it('overlap: both have run their handlers before the first commits', async () => {
    const sequence = ['first inserts', 'second inserts', 'first commits', 'second commits'];
    assert.deepEqual(await happens(1, false), sequence);
    assert.deepEqual(await happens(1, true), sequence);
  });

  it('do not wait for each other where the first must try again', async () => {
    const seen = await happens(2, false);
    assert.equal(seen.filter((what) => what === 'first commits').length, 2);
    assert.equal(seen.filter((what) => what === 'second commits').length, 1);
  });

  it('are both processed where the first has nothing to commit', async () => {
    assert.deepEqual(await happens(0, false), ['second inserts', 'second commits']);
  });

  it('let the second commit where the first fails, and report the failure', async () => {
    let isDone = false;
    const first: Consume = async (rule) => {
      await rule?.(COMMIT);
      throw new Error('The first failed');
    };
    const second: Consume = async (rule) => {
      await rule?.(COMMIT);
      isDone = true;
    };
    await assert.rejects(
      overlap(first, second, async () => false),
      /The first failed/,
    );
    assert.ok(isDone);
  });
});
