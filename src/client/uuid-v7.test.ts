import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UUID_PATTERN } from '../event/fields.ts';
import { createUuidV7, newEventId } from './uuid-v7.ts';

const zeros = (bytes: Uint8Array) => void bytes.fill(0);
const ones = (bytes: Uint8Array) => void bytes.fill(0xff);

describe('newEventId', () => {
  it('gives what the API accepts, in version 7 and the variant of RFC 9562, never twice', () => {
    const ids = Array.from({ length: 10_000 }, () => newEventId());
    for (const id of ids) {
      assert.match(id, new RegExp(`^${UUID_PATTERN}$`));
      assert.match(id, /^.{14}7.{4}[89ab]/);
    }
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(ids.toSorted(), ids);
  });
});

describe('createUuidV7', () => {
  it('has the bits of the example in RFC 9562, appendix A.6', () => {
    const random = [0, 0, 0, 0, 0, 0, 0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
    const make = createUuidV7({ now: () => 1_645_557_742_000, fill: (bytes) => bytes.set(random) });
    // The highest bit of the counter starts as 0, where the example has a random 1.
    assert.equal(make(), '017f22e2-79b0-74c3-98c4-dc0c0c07398f');
  });

  it('ascends within a millisecond, when the counter overflows, and when the clock is set back', () => {
    for (const fill of [zeros, ones]) {
      let ms = 1_700_000_000_000;
      const make = createUuidV7({ now: () => ms, fill });
      const ids = Array.from({ length: 10_000 }, () => make());
      ms -= 60_000;
      ids.push(make());
      ms += 120_000;
      ids.push(make());
      assert.deepEqual(ids.toSorted(), ids);
      assert.equal(new Set(ids).size, ids.length);
    }
  });
});
