import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { recordOf, wireEvent } from '../../test/support/events.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { decodeRecords } from '../log/decoded-record.ts';
import { rule } from './first-event.ts';
import { witnessesOf } from './witnesses.ts';

const CASE = {
  isRefused: false,
  isTakenAtWord: false,
  othersSucceed: null,
  others: false,
  attempts: 0,
  attemptsMax: 2,
};

describe('rule', () => {
  const cases: readonly [
    what: string,
    given: Partial<Parameters<typeof rule>[0]>,
    verdict: string,
  ][] = [
    [
      'holds the first failure, and counts it, while others succeed',
      { othersSucceed: true },
      'hold',
    ],
    ['tries the last one once more', { othersSucceed: true, attempts: 1 }, 'try once more'],
    ['tries what is refused once more', { othersSucceed: true, isRefused: true }, 'try once more'],
    ['holds while all fail, however often', { othersSucceed: false, attempts: 99 }, 'hold'],
    ['holds while all are refused', { othersSucceed: false, isRefused: true }, 'hold'],
    ['holds where nobody can be asked', { attempts: 99 }, 'hold'],
    ['takes a word where nobody can be asked', { isRefused: true, isTakenAtWord: true }, 'park'],
    ['holds a refusal that nobody bears out', { isRefused: true }, 'hold'],
    ['parks after a success elsewhere', { others: true, attempts: 2 }, 'park'],
    [
      'parks a refusal after a success elsewhere',
      { others: true, isRefused: true, othersSucceed: false },
      'park',
    ],
    ['holds while too few have been counted', { others: true, attempts: 1 }, 'hold'],
  ];
  for (const [what, given, verdict] of cases) {
    it(what, () => assert.equal(rule({ ...CASE, ...given }).verdict, verdict));
  }

  it('never parks for failures that nobody succeeded after [G6]', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.integer({ min: 1, max: 9 }), (tries, attemptsMax) => {
        let attempts = 0;
        for (let i = 0; i < tries; i++) {
          const ruling = rule({ ...CASE, othersSucceed: false, attempts, attemptsMax });
          assert.equal(ruling.verdict, 'hold');
          attempts = ruling.attempts;
        }
        assert.equal(attempts, 0);
      }),
    );
  });
});

describe('witnessesOf', () => {
  const offsets = (n: number, random?: () => number) => {
    const records = Array.from({ length: n }, (_, offset) => recordOf(offset, wireEvent()));
    return witnessesOf(decodeRecords(records, UNDECLARED).events, random).map(
      ({ record }) => record.offset,
    );
  };

  it('asks up to three, each once', () => {
    const asked = [0, 1, 2, 9].map((n) => new Set(offsets(n)).size);
    assert.deepEqual(asked, [0, 1, 2, 3]);
  });

  it('asks the next and others by chance, so that one of which the process dies is not asked again and again', () => {
    assert.deepEqual(
      offsets(9, () => 0),
      [0, 1, 2],
    );
    assert.deepEqual(
      offsets(9, () => 0.99),
      [0, 8, 7],
    );
  });
});
