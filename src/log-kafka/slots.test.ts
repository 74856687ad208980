import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../../test/support/until.ts';
import { Slots } from './slots.ts';

it('slots are looked at once for each broker when patience ends, however many wait [G10]', async () => {
  let looks = 0;
  const slots = new Slots<string>(() => {
    looks++;
    // As the sender does: every group that waits asks again.
    for (let group = 0; group < 24; group++) slots.free(1);
  });
  const first = slots.begin(1, 0, ['batch']);
  for (let group = 0; group < 24; group++) assert.equal(slots.free(1), null);
  const second = slots.begin(2, 0, ['batch']);
  assert.equal(slots.free(2), null);
  await until('both were looked at', () => looks >= 2);
  assert.equal(looks, 2);
  assert.equal(slots.free(1), 1, 'another connection, now that the first answer is late');
  slots.end(first);
  assert.equal(slots.free(1), 0);
  slots.end(second);
});
