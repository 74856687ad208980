/** Tests the checker itself: it must find each planted fault, and accept correct tables. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { processBatch } from '../../src/inbox/process-batch.ts';
import { type History, judge } from './checker.ts';
import { sliceOfEvents, wireEvent } from './events.ts';
import { setUpHeart } from './heart.ts';

async function setUp(t: TestContext) {
  const { pool, context } = await setUpHeart(t, 1);
  const first = wireEvent();
  const next = wireEvent({ order_id: first.order_id, total_amount: '2.5' });
  const events = [first, next, first, { ...first, user_id: 'other' }, 'garbage', wireEvent()];
  const slice = sliceOfEvents(0, events);
  await processBatch(context, slice);
  const history: History = {
    accepted: [{ event: first, partition: 0, offset: 0 }],
    rejectedIds: [],
    validIds: new Set(events.flatMap((e) => (typeof e === 'string' ? [] : [e.event_id]))),
    log: slice.records.map(({ offset, value }) => ({ partition: 0, offset, value })),
  };
  return { pool, history };
}

describe('judge', () => {
  it('acquits a true account', async (t) => {
    const { pool, history } = await setUp(t);
    assert.deepEqual(await judge(history, pool), []);
  });

  const faults: Record<string, [sql: string, verdict: RegExp]> = {
    'a lost event': ['DELETE FROM processed_events WHERE log_offset = 5', /G3 0\/5 .*\[\]/],
    'a doubled effect': ['UPDATE orders SET event_count = event_count + 1', /G2 order/],
    'an effect that is off by a little': [
      'UPDATE orders SET amount_sum = amount_sum + 0.0001',
      /G2 order/,
    ],
    'an altered row': ["UPDATE processed_events SET user_id = 'x' WHERE log_offset = 1", /G4/],
    'a lost duplicate': ['DELETE FROM duplicates', /G3 0\/2/],
    'a conflict taken for a duplicate': [
      `WITH gone AS (DELETE FROM conflicts RETURNING *)
       INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
       SELECT log_id, log_partition, log_offset, event_id FROM gone`,
      /G4 .* is duplicate, not conflict/,
    ],
    'two outcomes of one record': [
      `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
       SELECT log_id, log_partition, log_offset, event_id FROM processed_events LIMIT 1`,
      /G3 .* has outcomes \[stored,duplicate\]/,
    ],
    'an outcome of no record': ['UPDATE dead_letters SET log_offset = 99', /G3 0\/99/],
    'a second payload that took effect': [
      'UPDATE processed_events SET log_offset = 3 WHERE log_offset = 0',
      /G4 .*stored with another payload/,
    ],
    'an order that shows an older event': [
      `UPDATE orders SET last_event_id = (SELECT event_id FROM processed_events WHERE log_offset = 0)
        WHERE event_count = 2`,
      /G5 order/,
    ],
    'a position that stands elsewhere': ['UPDATE consumer_positions SET next_offset = 5', /G7/],
  };
  for (const [title, [sql, verdict]] of Object.entries(faults)) {
    it(`convicts ${title}`, async (t) => {
      const { pool, history } = await setUp(t);
      await pool.query(sql);
      assert.match((await judge(history, pool)).join('\n'), verdict);
    });
  }

  it('convicts an accepted event that the log does not hold', async (t) => {
    const { pool, history } = await setUp(t);
    const accepted = [{ event: wireEvent(), partition: 0, offset: 1 }];
    assert.match((await judge({ ...history, accepted }, pool)).join('\n'), /G1 .* not there/);
  });

  it('convicts a refused event that lies in the log', async (t) => {
    const { pool, history } = await setUp(t);
    const id = wireEvent().event_id;
    const value = Buffer.from(JSON.stringify({ event_id: id }));
    const log = [...history.log, { partition: 0, offset: 6, value }];
    const verdict = await judge({ ...history, log, rejectedIds: [id] }, pool);
    assert.match(verdict.join('\n'), /answered 422/);
  });
});
