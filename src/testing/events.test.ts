import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UNDECLARED } from '../event/event-rules.ts';
import { TestClock } from './clock.ts';
import { completeEvent, msOf } from './events.ts';

it('msOf reads what the API accepts, also where Date does not', () => {
  const event = (timestamp: string) => completeEvent({ timestamp }, new TestClock(), UNDECLARED);
  const spellings = ['2026-01-02T03:04:05.000Z', '2026-01-02 05:04:05,0 +0200[Europe/Paris]'];
  for (const timestamp of spellings) {
    assert.equal(msOf(event(timestamp), UNDECLARED), Date.UTC(2026, 0, 2, 3, 4, 5), timestamp);
  }
  assert.throws(() => msOf(event('2026-01-02T03:04:05'), UNDECLARED), /timestamp: .* such as/);
});
