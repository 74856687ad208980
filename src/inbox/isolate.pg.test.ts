import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { sliceOfEvents, type WireEvent, wireEvent } from '../../test/support/events.ts';
import { count, nextOffset, orderRow, processAll, setUpHeart } from '../../test/support/heart.ts';
import type { Pool } from '../store/pool.ts';
import { processBatch } from './process-batch.ts';

/** Adds a trigger, as a team may have one, that refuses the amount 666 with SQLSTATE class 23. */
async function refuse666(pool: Pool, deferred = false): Promise<void> {
  await pool.query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN IF NEW.total_amount = 666 THEN
         RAISE EXCEPTION 'no such amount' USING ERRCODE = '23514';
       END IF; RETURN NEW; END $$`,
  );
  await pool.query(
    deferred
      ? `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON processed_events
           DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`
      : 'CREATE TRIGGER refuse BEFORE INSERT ON processed_events FOR EACH ROW EXECUTE FUNCTION refuse()',
  );
}

/** Counts the SAVEPOINTs of each transaction, on every connection. */
function countSavepoints(pool: Pool): { most: number } {
  const counted = { most: 0 };
  pool.on('acquire', (client) => {
    let open = 0;
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((...args: unknown[]) => {
      const text = String(args[0]);
      open = /^BEGIN/.test(text) ? 0 : open + (/^SAVEPOINT/.test(text) ? 1 : 0);
      counted.most = Math.max(counted.most, open);
      return query(...args);
    }) as typeof client.query;
  });
  return counted;
}

describe('processBatch, when PostgreSQL refuses rows', () => {
  for (const deferred of [false, true]) {
    const how = deferred ? 'at a deferred constraint' : 'at the insert';
    it(`parks one guilty event among 1,000 refused ${how}, and stores the rest [G3] [G6]`, async (t) => {
      const { pool, context } = await setUpHeart(t);
      await refuse666(pool, deferred);
      const events = Array.from({ length: 1000 }, () => wireEvent());
      events[617] = wireEvent({ total_amount: '666' });
      const transactions = await processAll(context, sliceOfEvents(0, events));
      assert.equal(transactions, 1);
      assert.equal(await count(pool, 'processed_events'), 999);
      const { rows } = await pool.query('SELECT * FROM dead_letters');
      assert.deepEqual(
        rows.map((row) => [row.log_offset, row.state, row.reason, row.sqlstate]),
        [[617, 'parked', 'refused_by_database', '23514']],
      );
      assert.equal(await nextOffset(pool), 1000);
    });
  }

  it('lets later events of a parked order wait, in the same batch and after it [G5]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await refuse666(pool);
    const order_id = randomUUID();
    const poison = wireEvent({ order_id, total_amount: '666' });
    const later = wireEvent({ order_id });
    const other = wireEvent();
    await processAll(context, sliceOfEvents(0, [wireEvent({ order_id }), poison, later, other]));
    const after = wireEvent({ order_id });
    await processBatch(context, sliceOfEvents(4, [after, wireEvent()]));
    const { rows } = await pool.query(
      'SELECT event_id, state FROM dead_letters ORDER BY log_offset',
    );
    assert.deepEqual(rows, [
      { event_id: poison.event_id, state: 'parked' },
      { event_id: later.event_id, state: 'waiting' },
      { event_id: after.event_id, state: 'waiting' },
    ]);
    assert.equal((await orderRow(pool, order_id)).event_count, 1);
    assert.equal(await count(pool, 'processed_events'), 3);
  });

  it('counts resends of parked and waiting events as duplicates or conflicts [G4]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await refuse666(pool);
    const poison = wireEvent({ total_amount: '666' });
    const waiting = wireEvent({ order_id: poison.order_id });
    const changed: WireEvent = { ...poison, total_amount: '5' };
    await processAll(context, sliceOfEvents(0, [poison, waiting, poison, changed]));
    const outcome = await processBatch(context, sliceOfEvents(4, [poison, waiting, changed]));
    assert.deepEqual(
      [
        outcome.stored,
        outcome.duplicates.length,
        outcome.conflicts.length,
        outcome.deadLetters.length,
      ],
      [0, 2, 1, 0],
    );
    assert.equal(await count(pool, 'processed_events'), 0);
    assert.deepEqual([await count(pool, 'duplicates'), await count(pool, 'conflicts')], [3, 2]);
    const { rows } = await pool.query('SELECT first_payload FROM conflicts LIMIT 1');
    assert.equal(rows[0].first_payload.total_amount, '666');
  });

  it('an id parked in one partition and stored in another at once ends as one of both [G4]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await refuse666(pool);
    for (let round = 0; round < 25; round++) {
      const ids = Array.from({ length: 4 }, () => randomUUID());
      const poison = ids.map((event_id) => wireEvent({ event_id, total_amount: '666' }));
      const good = ids.map((event_id) => wireEvent({ event_id }));
      const events = [
        [wireEvent(), ...poison],
        [...good, wireEvent()],
      ];
      const settle = async (partition: number) => {
        for (;;) {
          const from = (await nextOffset(pool, partition)) ?? -1;
          if (from >= (round + 1) * 5) return;
          const rest = (events[partition] ?? []).slice(from - round * 5);
          await processBatch(context, sliceOfEvents(from, rest, partition)).catch((error) => {
            if (!['CLAIM_RACE', '40P01'].includes(error.code)) throw error;
          });
        }
      };
      await Promise.all([settle(0), settle(1)]);
    }
    const { rows } = await pool.query(
      'SELECT event_id FROM dead_letters JOIN processed_events USING (event_id)',
    );
    assert.deepEqual(rows, []);
    assert.equal(
      (await count(pool, 'processed_events')) + (await count(pool, 'dead_letters')),
      150,
    );
  });

  it('parks nothing when every event is refused: a changed table is no bad event [G6]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await pool.query('ALTER TABLE orders ADD COLUMN region text NOT NULL');
    const batch = sliceOfEvents(
      0,
      Array.from({ length: 20 }, () => wireEvent()),
    );
    await assert.rejects(processBatch(context, batch), { code: 'ALL_REFUSED' });
    assert.deepEqual([await count(pool, 'dead_letters'), await nextOffset(pool)], [0, 0]);
    await pool.query('ALTER TABLE orders ALTER COLUMN region DROP NOT NULL');
    assert.equal((await processBatch(context, batch)).stored, 20);
  });

  it('settles a conflict with an event that waits in the same batch [G4]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await refuse666(pool);
    const poison = wireEvent({ total_amount: '666' });
    const waiting = wireEvent({ order_id: poison.order_id });
    const changed = { ...waiting, total_amount: '5' };
    await processAll(context, sliceOfEvents(0, [wireEvent(), poison]));
    await processAll(context, sliceOfEvents(2, [waiting, changed]));
    const { rows } = await pool.query('SELECT first_payload FROM conflicts');
    assert.equal(rows[0].first_payload.event_id, waiting.event_id);
  });

  it('never applies the resend of a discarded event [G4]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await refuse666(pool);
    const poison = wireEvent({ total_amount: '666' });
    await processAll(context, sliceOfEvents(0, [poison]));
    await pool.query(`UPDATE dead_letters SET state = 'discarded'`);
    await pool.query('DELETE FROM held_orders');
    await pool.query('DROP TRIGGER refuse ON processed_events');
    const outcome = await processBatch(context, sliceOfEvents(1, [poison]));
    assert.deepEqual([outcome.stored, outcome.duplicates.length], [0, 1]);
  });

  it('commits a prefix after 50 savepoints and continues behind it [G10]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await refuse666(pool);
    const events = Array.from({ length: 400 }, (_, i) =>
      wireEvent(i % 8 === 3 ? { total_amount: '666' } : {}),
    );
    const savepoints = countSavepoints(pool);
    const transactions = await processAll(context, sliceOfEvents(0, events));
    assert.ok(transactions > 1);
    assert.ok(savepoints.most <= 50, `${savepoints.most} savepoints in one transaction`);
    assert.equal(await count(pool, 'processed_events'), 350);
    assert.equal(await count(pool, 'dead_letters'), 50);
    assert.equal(await nextOffset(pool), 400);
  });

  it('parks nothing for an error that is not about the rows [G6]', async (t) => {
    const { pool, context } = await setUpHeart(t);
    await pool.query(
      `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$`,
    );
    await pool.query(
      'CREATE TRIGGER fail BEFORE INSERT ON processed_events FOR EACH ROW EXECUTE FUNCTION fail()',
    );
    await assert.rejects(processBatch(context, sliceOfEvents(0, [wireEvent(), 'garbage'])));
    assert.equal(await count(pool, 'dead_letters'), 0);
    assert.equal(await nextOffset(pool), 0);
  });
});
