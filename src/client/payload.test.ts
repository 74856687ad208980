import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { wireEvent } from '../../test/support/events.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { parseEvent } from '../event/parse-event.ts';
import { type NewEvent, payloadOf } from './payload.ts';

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('payloadOf', () => {
  it('makes an event_id only where there is none, and leaves the given object alone', () => {
    const { event_id: id, ...rest } = wireEvent();
    const given = Object.freeze({ ...rest });
    const made = payloadOf(given, () => id);
    assert.deepEqual(made.event, { ...rest, event_id: id });
    assert.deepEqual(payloadOf({ ...rest, event_id: undefined }, () => id).bytes, made.bytes);
    assert.equal(payloadOf(wireEvent({ event_id: 'mine' })).event.event_id, 'mine');
    assert.equal('event_id' in given, false);
  });

  it('does not change when the given object does, and cannot be changed itself', () => {
    const given = { ...wireEvent(), user_id: 'ann' };
    const { event, bytes } = payloadOf(given);
    given.user_id = 'bob';
    assert.equal(JSON.parse(textOf(bytes)).user_id, 'ann');
    assert.throws(() => {
      (event as { user_id: string }).user_id = 'bob';
    }, TypeError);
  });

  it('writes a Date so that the API accepts it', () => {
    const { bytes } = payloadOf({ ...wireEvent(), timestamp: new Date(0) });
    assert.equal(parseEvent(Buffer.from(bytes), UNDECLARED).ok, true);
  });

  it('has the same bytes when its event is sent again, whatever that holds', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (given) => {
        const first = payloadOf(given as unknown as NewEvent);
        const again = payloadOf(first.event);
        assert.equal(textOf(again.bytes), textOf(first.bytes));
        assert.doesNotMatch(textOf(first.bytes), /\n/);
      }),
    );
  });

  it('refuses what JSON cannot represent', () => {
    for (const given of [undefined, null, 1, 'x', [], () => {}, { ...wireEvent(), user_id: 1n }]) {
      assert.throws(() => payloadOf(given as unknown as NewEvent), TypeError);
    }
  });
});
