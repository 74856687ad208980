/** What older releases decided is no contradiction, where this one would decide otherwise. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { compileEvents } from '../event/declared-events.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { processBatch } from '../inbox/process-batch.ts';
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

it('compareSlice accepts what a deployment parked that did not know the version of a type [G3]', async (t) => {
  const { pool, context } = await setUpHeart(t, 1);
  const first = { ...wireEvent(), type: 'late' };
  const slice = sliceOfEvents(0, [first, { ...first, user_id: 'other' }]);
  const { deadLetters, conflicts } = await processBatch(context, slice);
  assert.deepEqual([deadLetters.length, conflicts.length], [1, 1]);
  const types = { late: { version: 7 } };
  const rules = { ...UNDECLARED, declared: compileEvents({ types, options: {} }) };
  const place = { logId: context.logId, partition: 0 };
  const source = { rules, topic: context.topic };
  assert.deepEqual(await compareSlice(pool, place, slice, source), []);
  await pool.query(`UPDATE dead_letters SET digest = sha256('x')`);
  assert.equal((await compareSlice(pool, place, slice, source)).length, 1);
  // What says its version was never taken for another one.
  const versioned = { ...wireEvent(), type: 'late', version: 1 };
  const said = sliceOfEvents(2, [versioned]);
  await processBatch(context, said);
  const [record] = said.records;
  const bytes = Buffer.from(String(record?.value).replace('"version":1', '"version":7'));
  await pool.query('UPDATE dead_letters SET value = $1 WHERE log_offset = 2', [bytes]);
  const other = { ...said, records: [{ ...record, value: bytes }] } as typeof said;
  assert.equal((await compareSlice(pool, place, other, source)).length, 1);
});
