import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../test/support/until.ts';
import type { PartitionReport } from '../positions/report.ts';
import { ArrivalRate } from './arrival-rate.ts';
import { DoctorCache, type DoctorFinding } from './doctor-cache.ts';
import { scaleOf, seriesOf } from './overview-routes.ts';
import { differencesOf } from './payload-differences.ts';

describe('scaleOf', () => {
  it('covers the span with at most 360 steps; whole hours where only hours are kept', () => {
    for (let minutes = 1; minutes <= 43_200; minutes++) {
      const { steps, stepMinutes } = scaleOf(minutes);
      assert.ok(steps <= 360 && steps * stepMinutes >= minutes, String(minutes));
      assert.ok(minutes <= 2880 || stepMinutes % 60 === 0, String(minutes));
    }
    assert.deepEqual(scaleOf(60), { steps: 60, stepMinutes: 1 });
    assert.deepEqual(scaleOf(43_200), { steps: 360, stepMinutes: 120 });
  });
});

describe('seriesOf', () => {
  it('has a point for each step, and the largest series first', () => {
    const rows = [
      { step: 2, name: 'a', n: 1 },
      { step: 0, name: 'b', n: 2 },
    ];
    assert.deepEqual(seriesOf(rows, 3), [
      { name: 'b', total: 2, points: [2, 0, 0] },
      { name: 'a', total: 1, points: [0, 0, 1] },
    ]);
  });
});

describe('ArrivalRate', () => {
  const ends = (...log_end: (number | null)[]) => log_end.map((end) => ({ log_end: end }));
  const note = (rate: ArrivalRate, ms: number, ...of: (number | null)[]) =>
    rate.note(ms, ends(...of) as unknown as PartitionReport[]);

  it('is the growth of all partitions over the last seconds', () => {
    const rate = new ArrivalRate();
    assert.equal(note(rate, 0, 100, 50), null);
    assert.equal(note(rate, 2000, 300, 60), 105);
    assert.equal(note(rate, 20_000, 300, 60), null);
  });

  it('is unknown while an end is, and not negative when a log is cut', () => {
    const rate = new ArrivalRate();
    note(rate, 0, 100);
    assert.equal(note(rate, 1000, null), null);
    assert.equal(note(rate, 2000, 10), 0);
  });
});

describe('differencesOf', () => {
  it('lists the fields that differ, whatever the payloads are', () => {
    assert.deepEqual(
      differencesOf({ first_payload: { a: 1, b: 2 }, payload: { a: 1, b: 3, c: [] } }),
      [
        { field: 'b', first: 2, this: 3 },
        { field: 'c', first: null, this: [] },
      ],
    );
    assert.deepEqual(differencesOf({ first_payload: null, payload: ['x'] }), []);
  });
});

describe('DoctorCache', () => {
  it('makes the checks once for many, keeps the result, and repeats them at most every 10 s', async () => {
    let now = 0;
    let made = 0;
    const finding: DoctorFinding = { area: 'a', check: 'c', verdict: 'fail', found: 'f' };
    const cache = new DoctorCache(
      async () => {
        made++;
        return [finding];
      },
      () => now,
    );
    assert.equal(cache.summary, null);
    await Promise.all([cache.read(false), cache.read(true), cache.read(false)]);
    assert.equal(made, 1);
    now = 9_999;
    await cache.read(true);
    assert.equal(made, 1);
    now = 10_000;
    await cache.read(true);
    await cache.read(false);
    assert.equal(made, 2);
    now = 70_000;
    await cache.read(false);
    assert.equal(made, 3);
    assert.deepEqual(cache.summary, {
      ...{ fit: false, failures: 1, warnings: 0 },
      checked_at: '1970-01-01T00:01:10.000000Z',
    });
  });

  it('checks failures again after a minute, and says nothing of what it knew five minutes ago', async () => {
    let now = 0;
    const verdicts: DoctorFinding['verdict'][] = ['fail', 'ok'];
    const cache = new DoctorCache(
      async () => [{ area: 'a', check: 'c', verdict: verdicts.shift() ?? 'ok', found: 'f' }],
      () => now,
    );
    await cache.read(false);
    now = 59_999;
    assert.equal(cache.summary?.failures, 1);
    assert.equal(verdicts.length, 1);
    now = 60_000;
    assert.equal(cache.summary?.failures, 1);
    await until('it was checked again', () => cache.summary?.failures === 0);
    now = 360_001;
    assert.equal(cache.summary, null);
  });

  it('says why the checks failed, and tries again next time', async () => {
    let made = 0;
    const cache = new DoctorCache(async () => {
      if (made++ === 0) throw new Error('no disk');
      return [];
    });
    await assert.rejects(cache.read(false), /no disk/);
    assert.equal((await cache.read(false)).fit, true);
  });
});
