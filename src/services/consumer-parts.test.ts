import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limitsOf } from './consumer-parts.ts';

describe('limitsOf', () => {
  it('ends a hanging transaction before the group gives its partitions away [G7]', () => {
    for (const session of [1000, 10_000, 300_000]) {
      for (const limit of Object.values(limitsOf(session))) assert.ok(limit < session);
    }
  });
});
