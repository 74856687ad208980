/** What older releases decided is no contradiction, where this one would decide otherwise. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { compareSlice } from './compare-slice.ts';

it('compareSlice accepts a dead letter of a release that read fewer spellings of a timestamp [G3]', async (t) => {
  const { pool, context } = await setUpHeart(t, 1);
  const timestamps = ['2026-01-02 03:04:05+00', '2026-01-02t03:04:05+00:00', '2026-01-02T03:04Z'];
  const slice = sliceOfEvents(
    0,
    timestamps.map((timestamp) => wireEvent({ timestamp })),
  );
  for (const { offset, value } of slice.records) {
    await pool.query(
      `INSERT INTO orderonce.dead_letters (log_id, log_partition, log_offset, value, state, reason)
       VALUES ($1, 0, $2, $3, 'parked', 'invalid_event')`,
      [context.logId, offset, value],
    );
  }
  const findings = await compareSlice(pool, { logId: context.logId, partition: 0 }, slice, context);
  // The second one is in RFC 3339, which every release accepts: it should have taken effect.
  assert.deepEqual(
    findings.map(({ kind, offset }) => [kind, offset]),
    [['differs', 1]],
  );
});
