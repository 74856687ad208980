import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, nextOffset, orderRow, setUpHeart } from '../../test/support/heart.ts';
import type { LogSlice } from '../log/event-log.ts';
import { logRecord } from '../log/log-record.ts';
import { RequestIds, requestIdHeader } from '../log/request-id.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { ORDERS, type Projection } from '../store/orders-projection.ts';
import { verify } from '../verify/verify.ts';
import { processBatch } from './process-batch.ts';

describe('processBatch', () => {
  it('gives every record exactly one outcome and moves the position with it [G2] [G3] [G7]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const first = wireEvent();
    const outcome = await processBatch(
      context,
      sliceOfEvents(0, [
        first,
        first,
        { ...first, total_amount: '11' },
        'garbage',
        null,
        Buffer.from([0xff, 0x00]),
        wireEvent(),
      ]),
    );
    assert.deepEqual(
      [
        outcome.stored,
        outcome.duplicates.length,
        outcome.conflicts.length,
        outcome.deadLetters.length,
      ],
      [2, 1, 1, 3],
    );
    assert.equal(await count(pool, 'processed_events'), 2);
    assert.equal(await count(pool, 'duplicates'), 1);
    assert.equal(await count(pool, 'conflicts'), 1);
    assert.equal(await count(pool, 'dead_letters'), 3);
    assert.equal(await nextOffset(pool), 7);
  });

  it('compares a repeat with the payload that was stored, not with one beside it [G4]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const stored = wireEvent({ total_amount: '1' });
    await processBatch(context, sliceOfEvents(0, [stored]));
    const other = { ...stored, total_amount: '2' };
    const outcome = await processBatch(context, sliceOfEvents(1, [other, stored, other]));
    assert.deepEqual(
      outcome.conflicts.map(({ event }) => event.record.offset),
      [1, 3],
    );
    assert.deepEqual(
      outcome.duplicates.map(({ event }) => event.record.offset),
      [2],
    );
    const { rows } = await pool.query('SELECT payload, first_payload FROM conflicts LIMIT 1');
    assert.equal(rows[0].payload.total_amount, '2.0000');
    assert.deepEqual(rows[0].first_payload, {
      ...stored,
      total_amount: '1.0000',
      timestamp: '2026-01-02T03:04:05.000000Z',
    });
  });

  it('writes nothing for a record that meets its own row after a rewind [G2]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const event = wireEvent();
    const slice = sliceOfEvents(0, [event, event, { ...event, user_id: 'other' }, 'garbage']);
    await processBatch(context, slice);
    await pool.query('UPDATE consumer_positions SET next_offset = 0');
    const again = await processBatch(context, slice);
    assert.equal(again.stored, 0);
    assert.deepEqual(await orderRow(pool, event.order_id), {
      event_count: 1,
      amount_sum: '10.0000',
      total_amount: '10.0000',
      last_event_id: event.event_id,
      user_id: 'user-1',
    });
    for (const table of ['processed_events', 'duplicates', 'conflicts', 'dead_letters']) {
      assert.equal(await count(pool, table), 1, table);
    }
  });

  it('sums every event of an order and keeps the one that lies last in the log [G5]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const order_id = randomUUID();
    const events = ['1', '2', '3.5'].map((total_amount, i) =>
      wireEvent({
        order_id,
        total_amount,
        user_id: `u${i}`,
        timestamp: `202${8 - i}-01-01T00:00:00Z`,
      }),
    );
    await processBatch(context, sliceOfEvents(0, events.slice(0, 2)));
    await processBatch(context, sliceOfEvents(2, events.slice(2)));
    const row = await orderRow(pool, order_id);
    assert.deepEqual([row.event_count, row.amount_sum], [3, '6.5000']);
    assert.deepEqual([row.total_amount, row.user_id], ['3.5000', 'u2']);
    assert.equal(row.last_event_id, events[2]?.event_id);
  });

  it('adds maximal amounts without overflow [G8]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const order_id = randomUUID();
    const maximal = () => wireEvent({ order_id, total_amount: '99999999999999.9999' });
    await processBatch(context, sliceOfEvents(0, [maximal(), maximal(), maximal()]));
    await processBatch(context, sliceOfEvents(3, [maximal()]));
    assert.equal((await orderRow(pool, order_id)).amount_sum, '399999999999999.9996');
  });

  it('refuses a batch whose position was moved by another, and stores nothing [G7]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await processBatch(context, sliceOfEvents(0, [wireEvent()]));
    const stale = processBatch(context, sliceOfEvents(0, [wireEvent(), wireEvent()]));
    await assert.rejects(stale, { code: 'POSITION_MOVED' });
    assert.equal(await count(pool, 'processed_events'), 1);
    assert.equal(await nextOffset(pool), 1);
  });

  it('a zombie that wakes up in the middle of its transaction takes nothing along [G7]', async (t) => {
    const { pool, url, context } = await setUpHeart(t);
    const slice = sliceOfEvents(0, [wireEvent()]);
    // The frozen consumer holds the fence of partition 0 and sleeps until PostgreSQL ends its
    // session.
    const pg = await import('pg');
    const zombie = new pg.default.Client({ connectionString: url });
    zombie.on('error', () => {});
    await zombie.connect();
    await zombie.query('BEGIN');
    await zombie.query('SET LOCAL idle_in_transaction_session_timeout = 200');
    await zombie.query('UPDATE consumer_positions SET next_offset = 9 WHERE log_partition = 0');
    await processBatch({ ...context, limits: { ...context.limits, lockMs: 4000 } }, slice);
    await assert.rejects(zombie.query('COMMIT'));
    assert.equal(await nextOffset(pool), 1);
    assert.equal(await count(pool, 'processed_events'), 1);
  });

  it('two partitions that insert one id at once: one stores, one counts it, none vanishes [G3]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    for (let round = 0; round < 30; round++) {
      const shared = Array.from({ length: 20 }, () => wireEvent());
      const mine = sliceOfEvents(round * 20, shared, 0);
      const theirs = sliceOfEvents(round * 20, shared.toReversed(), 1);
      const outcomes = await Promise.all([
        processBatch(context, mine),
        processBatch(context, theirs),
      ]);
      const stored = outcomes.reduce((sum, outcome) => sum + outcome.stored, 0);
      const duplicates = outcomes.reduce((sum, outcome) => sum + outcome.duplicates.length, 0);
      assert.deepEqual([stored, duplicates], [20, 20], `round ${round}`);
    }
    assert.equal(await count(pool, 'processed_events'), 600);
    assert.equal(await count(pool, 'duplicates'), 600);
  });

  it('two partitions that meet in the same orders do not deadlock [G2]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const orders = Array.from({ length: 50 }, () => randomUUID());
    for (let round = 0; round < 20; round++) {
      const events = (ids: string[]) => ids.map((order_id) => wireEvent({ order_id }));
      await Promise.all([
        processBatch(context, sliceOfEvents(round * 50, events(orders), 0)),
        processBatch(context, sliceOfEvents(round * 50, events(orders.toReversed()), 1)),
      ]);
    }
    const { rows } = await pool.query('SELECT DISTINCT event_count FROM orders');
    assert.deepEqual(rows, [{ event_count: 40 }]);
  });

  it('keeps the leader epoch of the records, also behind a slice that holds none', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await processBatch(context, { ...sliceOfEvents(0, [wireEvent()]), leaderEpoch: 7 });
    const gaps = [{ from: 1, to: 2, reason: 'control' as const }];
    await processBatch(context, { ...sliceOfEvents(1, []), next: 2, gaps, leaderEpoch: -1 });
    const { rows } = await pool.query(
      'SELECT leader_epoch FROM consumer_positions WHERE log_partition = 0',
    );
    assert.equal(rows[0].leader_epoch, 7);
  });

  it('names offsets that hold no record [G3]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const slice: LogSlice = {
      ...sliceOfEvents(0, [wireEvent()]),
      next: 7,
      gaps: [
        { from: 1, to: 3, reason: 'aborted' },
        { from: 3, to: 7, reason: 'control' },
      ],
    };
    await processBatch(context, slice);
    const { rows } = await pool.query(
      'SELECT from_offset, to_offset, reason FROM log_gaps ORDER BY from_offset',
    );
    assert.deepEqual(rows, [
      { from_offset: 1, to_offset: 3, reason: 'aborted' },
      { from_offset: 3, to_offset: 7, reason: 'control' },
    ]);
    assert.equal(await nextOffset(pool), 7);
  });

  it('keeps no orders where the projection is off; all else is the same [G2] [G3]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const without = { ...context, projection: null };
    const event = wireEvent();
    const slice = sliceOfEvents(0, [event, event, wireEvent(), { ...event, user_id: 'other' }]);
    const outcome = await processBatch(without, slice);
    assert.deepEqual(
      [outcome.stored, outcome.duplicates.length, outcome.conflicts.length],
      [2, 1, 1],
    );
    assert.deepEqual([await count(pool, 'processed_events'), await count(pool, 'orders')], [2, 0]);
    const options = {
      topic: 'order_events',
      receipts: null,
      reader: null,
      onStep: () => {},
      ...USUAL_MODEL,
    };
    const ask = (projection: Projection | null) =>
      verify(pool, { ...options, handlers: [], projection });
    assert.equal((await ask(null)).isProven, true);
    assert.equal((await ask(ORDERS)).isProven, false);
  });

  it('notes a repeat whatever time a foreign client wrote into its record [G3]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const event = wireEvent();
    const slice = sliceOfEvents(0, [event, event, event, event]);
    const times = [0, -(2 ** 63), 2 ** 63, Number.NaN];
    const id = new RequestIds().next();
    const records = slice.records.map((record, i) =>
      logRecord({
        ...record,
        appendedMs: times[i] as number,
        headers: i === 0 ? [requestIdHeader(id)] : [],
      }),
    );
    const outcome = await processBatch(context, { ...slice, records });
    assert.deepEqual([outcome.stored, outcome.duplicates.length], [1, 3]);
    const { rows } = await pool.query('SELECT DISTINCT source, after_ms FROM duplicates');
    assert.deepEqual(rows, [{ source: 'foreign_client', after_ms: null }]);
  });
});
