import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ATTEMPT_MIN_MS, isUntouched, meaningOf, retryAfterMs, waitMs } from './retry.ts';

describe('meaningOf', () => {
  it('retries what may go away, and nothing else', () => {
    const meanings = {
      accepted: [202],
      rejected: [400, 413, 415, 422],
      unauthorized: [401, 403],
      retry: [408, 425, 429, 500, 502, 503, 504, 599],
      // Browsers give the status 0 for a redirect that they were told not to follow.
      foreign: [0, 200, 204, 301, 302, 307, 404, 405, 431],
    };
    for (const [meaning, statuses] of Object.entries(meanings)) {
      for (const status of statuses) assert.equal(meaningOf(status), meaning, String(status));
    }
  });
});

describe('isUntouched', () => {
  it('believes a 503 only of the API itself', () => {
    assert.equal(isUntouched(503, true), true);
    assert.equal(isUntouched(503, false), false);
  });

  it('is true of refusals, and never where an append may be under way', () => {
    for (const status of [400, 401, 403, 413, 415, 422, 429]) {
      assert.equal(isUntouched(status, false), true, String(status));
    }
    for (const status of [200, 202, 302, 404, 408, 500, 502, 504]) {
      assert.equal(isUntouched(status, true), false, String(status));
    }
  });
});

describe('retryAfterMs', () => {
  const now = Date.parse('2026-01-02T03:04:05Z');

  it('reads seconds and dates', () => {
    assert.equal(retryAfterMs('3', now), 3000);
    assert.equal(retryAfterMs(' 0 ', now), 0);
    assert.equal(retryAfterMs('Fri, 02 Jan 2026 03:04:15 GMT', now), 10_000);
    assert.equal(retryAfterMs('Fri, 02 Jan 2026 03:04:00 GMT', now), 0);
  });

  it('ignores what is neither', () => {
    for (const text of [null, '', '-5', '1.5', 'soon', 'Soon']) {
      assert.equal(retryAfterMs(text, now), null, String(text));
    }
  });
});

describe('waitMs', () => {
  const backoff = { firstMs: 100, mostMs: 5000 };

  it('is random up to a limit that doubles to the longest wait', () => {
    const state = { leftMs: 60_000, retryAfterMs: null };
    const longest = [1, 2, 3, 6, 7, 8, 1000].map((failures) =>
      waitMs({ ...state, failures }, backoff, () => 1),
    );
    assert.deepEqual(longest, [100, 200, 400, 3200, 5000, 5000, 5000]);
    assert.equal(
      waitMs({ ...state, failures: 5 }, backoff, () => 0),
      0,
    );
  });

  it('never waits less than Retry-After, nor past the deadline', () => {
    const state = fc.record({
      failures: fc.integer({ min: 1, max: 100 }),
      leftMs: fc.integer({ min: -1000, max: 100_000 }),
      retryAfterMs: fc.option(fc.integer({ min: 0, max: 100_000 })),
    });
    const unit = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    fc.assert(
      fc.property(state, unit, (given, random) => {
        const wait = waitMs(given, backoff, () => random);
        if (wait === null) {
          const most = (given.retryAfterMs ?? 0) + backoff.mostMs + ATTEMPT_MIN_MS;
          assert.ok(given.leftMs <= most);
        } else {
          assert.ok(wait >= (given.retryAfterMs ?? 0) && wait + ATTEMPT_MIN_MS <= given.leftMs);
        }
      }),
    );
  });
});
