import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UNDECLARED } from '../event/event-rules.ts';
import { readRedriveRequest } from './redrive-request.ts';
import { needsOf } from './redrive-routes.ts';

const read = (value: unknown) => readRedriveRequest(Buffer.from(JSON.stringify(value)), UNDECLARED);
const wrongAt = (value: unknown) => {
  const verdict = read(value);
  assert.equal(verdict.ok, false, JSON.stringify(value));
  return verdict.ok ? [] : verdict.errors.map(({ loc }) => loc.slice(1).join('.'));
};

describe('readRedriveRequest', () => {
  it('reads a filter and how fast; what is absent is null', () => {
    const verdict = read({ filter: { reason: 'x', sqlstate: 'none' }, per_second: 5 });
    assert.deepEqual(verdict, {
      ok: true,
      request: {
        action: 'redrive',
        filter: { reason: 'x', sqlstate: 'none' },
        ...{ places: null, isDryRun: false, count: null, reason: null, perSecond: 5, first: null },
      },
    });
  });

  it('reads places, and the ids of orders in any spelling', () => {
    const verdict = read({ action: 'discard', places: ['1/3/41'], dry_run: true, reason: 'why' });
    assert.ok(verdict.ok);
    assert.deepEqual(verdict.request.places, [{ logId: 1, partition: 3, offset: 41 }]);
    const id = '0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f';
    const upper = read({ filter: { order_id: id.toUpperCase() } });
    assert.ok(upper.ok);
    assert.equal(upper.request.filter?.order_id, id);
  });

  it('never takes a misspelt or invalid field for "no filter"', () => {
    assert.deepEqual(wrongAt({ filter: { reasons: 'x' } }), ['filter.reasons']);
    assert.deepEqual(wrongAt({ filter: { reason: null } }), ['filter.reason']);
    assert.deepEqual(wrongAt({ filter: {}, dry_run: 'true' }), ['dry_run']);
    assert.deepEqual(wrongAt({ filter: { q: 'a\u0000' } }), ['filter.q']);
    assert.deepEqual(wrongAt({ filter: { shape: '\ud800' } }), ['filter.shape']);
    assert.deepEqual(wrongAt({ filter: { __proto__x: 1 } }), ['filter.__proto__x']);
    assert.deepEqual(wrongAt({ places: [] }), ['places']);
    assert.deepEqual(wrongAt({}), ['']);
    assert.deepEqual(wrongAt({ filter: {}, places: ['1/1/1'] }), ['']);
    assert.deepEqual(wrongAt({ filter: [] }), ['filter']);
    for (const value of [null, [], 'all', 7]) assert.deepEqual(wrongAt(value), ['']);
    assert.equal(readRedriveRequest(Buffer.from('{'), UNDECLARED).ok, false);
  });

  it('answers any JSON, and never with more than it was given', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const verdict = read(value);
        if (verdict.ok) {
          assert.ok((verdict.request.filter === null) !== (verdict.request.places === null));
        } else assert.ok(verdict.errors.length > 0);
      }),
    );
  });
});

describe('needsOf', () => {
  it('wants the exact count and a reason for more than 100, and a reason for each discard', () => {
    assert.deepEqual(needsOf({ action: 'redrive' }, 100), []);
    assert.deepEqual(needsOf({ action: 'redrive' }, 101), ['count', 'reason']);
    assert.deepEqual(needsOf({ action: 'discard' }, 1), ['reason']);
  });
});
