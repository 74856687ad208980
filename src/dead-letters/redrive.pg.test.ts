import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, nextOffset, orderRow, processAll } from '../../test/support/heart.ts';
import { poison, setUpLetters } from '../../test/support/letters.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { createLogger } from '../runtime/logger.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { verify } from '../verify/verify.ts';
import { QueueResumer } from './queue-resumer.ts';
import { discard, type RedriveStep, redrive, redriveEdited, redriveMatching } from './redrive.ts';

async function outcomesOf(steps: AsyncIterable<RedriveStep>): Promise<string[]> {
  const found: string[] = [];
  for await (const { results } of steps) {
    found.push(...results.map(({ offset, outcome }) => `${offset} ${outcome}`));
  }
  return found;
}

describe('redrive', () => {
  it('takes effect once, with what waits behind it, in log order; moves no position [G2] [G5]', async (t) => {
    const { pool, context, state, outcomes } = await setUpLetters(t);
    const order_id = randomUUID();
    const events = [
      wireEvent(),
      poison(order_id),
      wireEvent({ order_id }),
      wireEvent({ order_id }),
    ];
    await processAll(context, sliceOfEvents(0, events));
    assert.deepEqual(await outcomes(1), ['1 failed']);
    // It can still be found by the reason for which it was parked.
    const { rows: again } = await pool.query(
      'SELECT reason, attempts FROM dead_letters WHERE log_offset = 1',
    );
    assert.deepEqual(again, [{ reason: 'refused_by_handler', attempts: 2 }]);
    state.isFixed = true;
    assert.deepEqual(await outcomes(1), ['1 stored', '2 stored', '3 stored']);
    assert.deepEqual(await outcomes(1), ['1 gone']);
    const { rows } = await pool.query('SELECT event_id FROM ledger ORDER BY n');
    assert.deepEqual(
      rows.map((row) => row.event_id),
      events.map(({ event_id }) => event_id),
    );
    assert.equal((await orderRow(pool, order_id)).last_event_id, events[3]?.event_id);
    assert.deepEqual(
      [await count(pool, 'dead_letters'), await count(pool, 'held_orders'), await nextOffset(pool)],
      [0, 0, 4],
    );
    const audit = await pool.query(
      'SELECT log_offset, outcome FROM dead_letter_audit ORDER BY 1, 2',
    );
    assert.deepEqual(
      audit.rows.map((row) => `${row.log_offset} ${row.outcome}`),
      ['1 failed', '1 stored', '2 stored', '3 stored'],
    );
  });

  it('keeps place and digest, and an older event does not become the order’s last [G5]', async (t) => {
    const { pool, context, state, outcomes } = await setUpLetters(t);
    const order_id = randomUUID();
    const old = poison(order_id);
    await processAll(context, sliceOfEvents(0, [wireEvent(), old]));
    const { rows: before } = await pool.query('SELECT digest FROM dead_letters');
    state.isFixed = true;
    await outcomes(1);
    const { rows } = await pool.query(
      'SELECT log_partition, log_offset, digest FROM processed_events WHERE event_id = $1',
      [old.event_id],
    );
    assert.deepEqual(rows, [{ log_partition: 0, log_offset: 1, digest: before[0].digest }]);
  });

  it('refuses to pass an earlier event of the same order [G5]', async (t) => {
    const { context, state, outcomes } = await setUpLetters(t);
    const order_id = randomUUID();
    await processAll(
      context,
      sliceOfEvents(0, [wireEvent(), poison(order_id), wireEvent({ order_id })]),
    );
    state.isFixed = true;
    assert.deepEqual(await outcomes(2), ['2 behind']);
  });

  it('an event that arrives meanwhile neither overtakes nor is left behind [G5]', async (t) => {
    const { pool, context, redriving, state, place } = await setUpLetters(t);
    state.isFixed = false;
    for (let round = 0; round < 15; round++) {
      const order_id = randomUUID();
      const from = (await nextOffset(pool)) ?? 0;
      const first = [wireEvent(), poison(order_id), wireEvent({ order_id })];
      state.isFixed = false;
      await processAll(context, sliceOfEvents(from, first));
      state.isFixed = true;
      const arriving = wireEvent({ order_id });
      const [results] = await Promise.all([
        redrive(redriving, place(from + 1)),
        processAll(context, sliceOfEvents(from + 3, [arriving])),
      ]);
      assert.equal(results[0]?.outcome, 'stored');
      // If the arriving event found the queue empty, it was stored. Otherwise the next redrive
      // stores it.
      const { rows: left } = await pool.query('SELECT log_offset FROM dead_letters');
      for (const { log_offset } of left) await redrive(redriving, place(log_offset));
      const { rows } = await pool.query(
        `SELECT l.event_id FROM ledger l JOIN processed_events USING (event_id)
          WHERE order_id = $1 ORDER BY n`,
        [order_id],
      );
      assert.deepEqual(
        rows.map((row) => row.event_id),
        [first[1]?.event_id, first[2]?.event_id, arriving.event_id],
      );
      assert.equal(await count(pool, 'held_orders'), 0);
    }
  });

  it('two at once: one takes effect, the other finds it gone [G2]', async (t) => {
    const { pool, context, redriving, state, place } = await setUpLetters(t);
    await processAll(context, sliceOfEvents(0, [wireEvent(), poison()]));
    state.isFixed = true;
    const both = await Promise.all([redrive(redriving, place(1)), redrive(redriving, place(1))]);
    assert.deepEqual(both.map(([r]) => r?.outcome).sort(), ['gone', 'stored']);
    assert.equal(await count(pool, 'ledger'), 2);
  });

  it('a failure in the middle leaves everything as it was [G2]', async (t) => {
    const { pool, context, redriving, state, place } = await setUpLetters(t);
    await processAll(context, sliceOfEvents(0, [wireEvent(), poison()]));
    state.isFixed = true;
    await pool.query(`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
      CREATE TRIGGER die BEFORE INSERT ON dead_letter_audit FOR EACH ROW EXECUTE FUNCTION die()`);
    await assert.rejects(redrive(redriving, place(1)));
    assert.deepEqual([await count(pool, 'dead_letters'), await count(pool, 'ledger')], [1, 1]);
    await pool.query('DROP TRIGGER die ON dead_letter_audit');
    assert.equal((await redrive(redriving, place(1)))[0]?.outcome, 'stored');
  });

  it('discard keeps the id taken, and lets those behind it through [G4] [G5]', async (t) => {
    const { pool, context, redriving, state, place } = await setUpLetters(t);
    const order_id = randomUUID();
    const bad = poison(order_id);
    await processAll(context, sliceOfEvents(0, [wireEvent(), bad, wireEvent({ order_id })]));
    const followed = await discard(redriving, place(1), 'agreed with the customer');
    assert.deepEqual(
      followed.map(({ outcome }) => outcome),
      ['stored'],
    );
    state.isFixed = true;
    const again = await processBatch(context, sliceOfEvents(3, [bad]));
    assert.deepEqual([again.stored, again.duplicates.length], [0, 1]);
    assert.equal((await redrive(redriving, place(1)))[0]?.outcome, 'gone');
    const { rows } = await pool.query(
      `SELECT actor, action, detail FROM dead_letter_audit WHERE action = 'discard'`,
    );
    assert.deepEqual(rows, [
      { actor: 'test', action: 'discard', detail: 'agreed with the customer' },
    ]);
  });

  it('keeps the log’s order though the clock was set back between two batches [G5]', async (t) => {
    const { pool, context, state, outcomes } = await setUpLetters(t);
    const order_id = randomUUID();
    const events = [wireEvent(), poison(order_id), wireEvent({ order_id })];
    await processAll(context, sliceOfEvents(0, events));
    await pool.query(
      `UPDATE dead_letters SET parked_at = parked_at - interval '1 hour' WHERE log_offset = 2`,
    );
    state.isFixed = true;
    assert.deepEqual(await outcomes(2), ['2 behind']);
    assert.deepEqual(await outcomes(1), ['1 stored', '2 stored']);
  });

  it('goes in order through all logs that an order lies in, after a cut as well [G5]', async (t) => {
    const { pool, context, redriving, state } = await setUpLetters(t);
    const order_id = randomUUID();
    const [bad, later] = [poison(order_id), wireEvent({ order_id })];
    await processAll(context, sliceOfEvents(0, [wireEvent(), bad]));
    // The log continues under another log_id, with offsets from 0.
    const { rows } = await pool.query(
      `INSERT INTO logs (topic, topic_id) VALUES ('order_events', 'topic-1#1') RETURNING log_id`,
    );
    const logId: number = rows[0].log_id;
    await pool.query(
      'UPDATE consumer_positions SET log_id = $1, next_offset = 0, start_offset = 0 WHERE log_partition = 0',
      [logId],
    );
    await processAll({ ...context, logId }, sliceOfEvents(0, [later]));
    state.isFixed = true;
    const newest = { logId, partition: 0, offset: 0 };
    assert.equal((await redrive(redriving, newest))[0]?.outcome, 'behind');
    const results = await redrive(redriving, { logId: context.logId, partition: 0, offset: 1 });
    assert.deepEqual(
      results.map((r) => `${r.logId === logId} ${r.offset} ${r.outcome}`),
      ['false 1 stored', 'true 0 stored'],
    );
    assert.equal(await count(pool, 'held_orders'), 0);
  });

  it('one that comes late is not the order’s last where another lies behind it in the log [G5]', async (t) => {
    const { pool, context, redriving, place } = await setUpLetters(t);
    const order_id = randomUUID();
    const [second, elsewhere] = [wireEvent({ order_id }), wireEvent({ order_id })];
    await processAll(context, sliceOfEvents(0, ['garbage', second]));
    await processAll(context, sliceOfEvents(0, [elsewhere], 1));
    const edit = Buffer.from(JSON.stringify(wireEvent({ order_id, user_id: 'late' })));
    assert.equal((await redriveEdited(redriving, place(0), edit))[0]?.outcome, 'stored');
    const order = await orderRow(pool, order_id);
    assert.deepEqual([order.event_count, order.last_event_id], [3, elsewhere.event_id]);
    const options = { topic: 'order_events', receipts: null, handlers: [], reader: null };
    const verdict = await verify(pool, { ...options, onStep: () => {}, ...USUAL_MODEL });
    assert.equal(verdict.isProven, true, JSON.stringify(verdict.rows));
  });

  it('garbage stays what it is; the audit cannot be changed', async (t) => {
    const { pool, context, redriving, place } = await setUpLetters(t);
    await processAll(context, sliceOfEvents(0, ['garbage']));
    assert.equal((await redrive(redriving, place(0)))[0]?.outcome, 'invalid');
    await discard(redriving, place(0), 'garbage');
    await assert.rejects(pool.query('DELETE FROM dead_letter_audit'), /append-only/);
    await assert.rejects(pool.query(`UPDATE dead_letter_audit SET actor = 'x'`), /append-only/);
    await assert.rejects(pool.query('TRUNCATE dead_letter_audit'), /append-only/);
  });

  /** A parked event at 1, and two that wait behind it; the process ends after the first redrive. */
  async function setUpInterrupted(t: TestContext) {
    const parts = await setUpLetters(t);
    const order_id = randomUUID();
    const events = [
      wireEvent(),
      poison(order_id),
      wireEvent({ order_id }),
      wireEvent({ order_id }),
    ];
    await processAll(parts.context, sliceOfEvents(0, events));
    parts.state.isFixed = true;
    let connects = 0;
    const dying = new Proxy(parts.pool, {
      get: (pool, name) =>
        name !== 'connect'
          ? Reflect.get(pool, name, pool)
          : () => (++connects > 1 ? Promise.reject(new Error('it ended')) : pool.connect()),
    });
    await assert.rejects(redrive({ ...parts.redriving, pool: dying }, parts.place(1)));
    assert.equal(await count(parts.pool, `dead_letters WHERE state = 'waiting'`), 2);
    return { ...parts, order_id };
  }

  it('continues with a queue that was interrupted, when all are redriven, or one of its order [G5]', async (t) => {
    const { pool, redriving, order_id } = await setUpInterrupted(t);
    assert.deepEqual(await outcomesOf(redriveMatching(redriving, { orderId: order_id })), [
      '2 stored',
      '3 stored',
    ]);
    assert.equal(await count(pool, 'held_orders'), 0);
  });

  it('continues with a queue that was interrupted, when a later one of it is asked for [G5]', async (t) => {
    const { outcomes } = await setUpInterrupted(t);
    assert.deepEqual(await outcomes(3), ['2 stored', '3 stored']);
  });

  it('is resumed by a consumer where it was interrupted, but not while it may still run [G5]', async (t) => {
    const { pool, redriving } = await setUpInterrupted(t);
    const resumer = new QueueResumer(redriving, createLogger('silent'));
    await resumer.check();
    assert.equal(await count(pool, 'dead_letters'), 2);
    await resumer.check();
    assert.deepEqual([await count(pool, 'dead_letters'), await count(pool, 'held_orders')], [0, 0]);
  });

  it('passes over one that fails as an outage would: the others take effect [G6]', async (t) => {
    const { pool, context, redriving, state } = await setUpLetters(t);
    const bad = poison();
    await processAll(context, sliceOfEvents(0, [wireEvent(), bad, poison(), poison()]));
    state.isFixed = true;
    await pool.query(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'too slow' USING ERRCODE = 'query_canceled'; END $$;
      CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.event_id = '${bad.event_id}') EXECUTE FUNCTION fail()`);
    assert.deepEqual(await outcomesOf(redriveMatching(redriving, {})), [
      '1 failed',
      '2 stored',
      '3 stored',
    ]);
    const { rows } = await pool.query('SELECT outcome FROM dead_letter_audit WHERE log_offset = 1');
    assert.deepEqual(rows, [{ outcome: 'failed' }]);
  });
});
