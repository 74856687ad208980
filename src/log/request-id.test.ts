import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isOfSameProcess,
  RequestIds,
  requestIdHeader,
  requestIdIn,
  requestMs,
} from './request-id.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

describe('RequestIds', () => {
  it('are version 7, unique, and grow, within a millisecond and when the clock is set back', () => {
    const clock = { ms: NOW };
    const ids = new RequestIds(() => clock.ms);
    const made = Array.from({ length: 10_000 }, () => ids.next());
    clock.ms -= 60_000;
    made.push(ids.next());
    assert.equal(new Set(made).size, made.length);
    assert.deepEqual(made.toSorted(), made);
    assert.match(made[0] as string, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-/);
    assert.equal(requestMs(made[0] as string), NOW);
  });

  it('name the process', () => {
    const [ours, theirs] = [new RequestIds(), new RequestIds()];
    assert.ok(isOfSameProcess(ours.next(), ours.next()));
    assert.ok(!isOfSameProcess(ours.next(), theirs.next()));
  });
});

describe('requestIdIn', () => {
  it('reads what requestIdHeader wrote', () => {
    const id = new RequestIds().next();
    assert.equal(requestIdIn([[null, null], requestIdHeader(id)]), id);
  });

  it('gives null where a foreign client wrote something else, or nothing', () => {
    assert.equal(requestIdIn([]), null);
    for (const value of ['', 'x', "'; DROP TABLE orders", crypto.randomUUID()]) {
      assert.equal(requestIdIn([requestIdHeader(value)]), null, value);
    }
  });
});
