import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Allowance } from './allowance.ts';

const NOON = Date.UTC(2026, 0, 1, 12);

describe('Allowance', () => {
  it('never lets more through than burst and rate together, whatever comes when [G10]', () => {
    const gaps = fc.array(fc.nat({ max: 700 }), { maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), gaps, (eventsPerSecond, waits) => {
        const allowance = new Allowance();
        let [now, let_in] = [NOON, 0];
        for (const wait of waits) {
          now += wait;
          if (allowance.waitSeconds({ eventsPerSecond, eventsPerDay: null }, now) !== null)
            continue;
          allowance.spend(1);
          let_in++;
        }
        const most = eventsPerSecond * 2 + (eventsPerSecond * (now - NOON)) / 1000 + 1;
        assert.ok(let_in <= most, `${let_in} of at most ${most}`);
      }),
    );
  });

  it('lets a key through again after the seconds that it named', () => {
    const allowance = new Allowance();
    const limits = { eventsPerSecond: 0.5, eventsPerDay: null };
    assert.equal(allowance.waitSeconds(limits, NOON), null);
    allowance.spend(1);
    const wait = allowance.waitSeconds(limits, NOON);
    assert.equal(wait, 2);
    assert.equal(allowance.waitSeconds(limits, NOON + 2000), null);
  });

  it('a batch may overdraw, and is paid back before anything else is let in', () => {
    const allowance = new Allowance();
    const limits = { eventsPerSecond: 10, eventsPerDay: null };
    allowance.waitSeconds(limits, NOON);
    allowance.spend(120);
    assert.equal(allowance.waitSeconds(limits, NOON), 11);
    assert.equal(allowance.waitSeconds(limits, NOON + 9_900), 1);
    assert.equal(allowance.waitSeconds(limits, NOON + 10_200), null);
  });

  it('a daily quota ends with the day, in UTC', () => {
    const allowance = new Allowance();
    const limits = { eventsPerSecond: null, eventsPerDay: 2 };
    for (let i = 0; i < 2; i++) {
      assert.equal(allowance.waitSeconds(limits, NOON), null);
      allowance.spend(1);
    }
    assert.equal(allowance.waitSeconds(limits, NOON), 12 * 3600);
    assert.equal(allowance.waitSeconds(limits, NOON + 12 * 3_600_000), null);
  });
});
