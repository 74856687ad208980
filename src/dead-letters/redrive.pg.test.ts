import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, nextOffset, orderRow, processAll, setUpHeart } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { type Handler, TerminalError } from '../handlers/handler.ts';
import { processBatch } from '../process/process-batch.ts';
import { readAudit } from '../store/dead-letter-queue.ts';
import type { LogPlace } from '../store/log-place.ts';
import { verify } from '../verify/verify.ts';
import { discard, type RedriveResult, redrive, redriveEdited, redriveMatching } from './redrive.ts';

/** A handler that refuses 666 until it is mended, and a ledger of what took effect. */
async function setUp(t: TestContext) {
  const { pool, context } = await setUpHeart(t);
  await pool.query('CREATE TABLE ledger (n serial, event_id uuid PRIMARY KEY)');
  const state = { isMended: false };
  const handler: Handler = {
    name: 'ledger',
    handle: async (events, tx) => {
      const isBad = events.some(({ totalAmount }) => totalAmount === '666.0000');
      if (isBad && !state.isMended) throw new TerminalError('not yet');
      for (const { eventId } of events) {
        await tx.query('INSERT INTO ledger (event_id) VALUES ($1)', [eventId]);
      }
    },
  };
  const handlers = { handlers: [handler], timeoutMs: 1000, attemptsMax: 5 };
  const redriving = { pool, handlers, actor: 'test' };
  const place = (offset: number, partition = 0): LogPlace => {
    return { logId: context.logId, partition, offset };
  };
  const outcomes = async (offset: number) =>
    (await redrive(redriving, place(offset))).map((r) => `${r.offset} ${r.outcome}`);
  return { pool, context: { ...context, handlers }, redriving, state, place, outcomes };
}

const poison = (order_id = randomUUID()) => wireEvent({ order_id, total_amount: '666' });

describe('redrive', () => {
  it('takes effect once, with what waits behind it, in log order; moves no position [G2] [G5]', async (t) => {
    const { pool, context, state, outcomes } = await setUp(t);
    const order_id = randomUUID();
    const events = [
      wireEvent(),
      poison(order_id),
      wireEvent({ order_id }),
      wireEvent({ order_id }),
    ];
    await processAll(context, sliceOfEvents(0, events));
    assert.deepEqual(await outcomes(1), ['1 failed']);
    // Still found by the reason that it was parked for.
    const { rows: again } = await pool.query(
      'SELECT reason, attempts FROM dead_letters WHERE log_offset = 1',
    );
    assert.deepEqual(again, [{ reason: 'refused_by_handler', attempts: 2 }]);
    state.isMended = true;
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
    const { pool, context, state, outcomes } = await setUp(t);
    // Another client wrote the order's newer event to the other partition's log: no queue there.
    const order_id = randomUUID();
    const old = poison(order_id);
    await processAll(context, sliceOfEvents(0, [wireEvent(), old]));
    const { rows: before } = await pool.query('SELECT digest FROM dead_letters');
    state.isMended = true;
    await outcomes(1);
    const { rows } = await pool.query(
      'SELECT log_partition, log_offset, digest FROM processed_events WHERE event_id = $1',
      [old.event_id],
    );
    assert.deepEqual(rows, [{ log_partition: 0, log_offset: 1, digest: before[0].digest }]);
  });

  it('refuses to pass an earlier event of the same order [G5]', async (t) => {
    const { context, state, outcomes } = await setUp(t);
    const order_id = randomUUID();
    await processAll(
      context,
      sliceOfEvents(0, [wireEvent(), poison(order_id), wireEvent({ order_id })]),
    );
    state.isMended = true;
    assert.deepEqual(await outcomes(2), ['2 behind']);
  });

  it('an event that arrives meanwhile neither overtakes nor is left behind [G5]', async (t) => {
    const { pool, context, redriving, state, place } = await setUp(t);
    state.isMended = false;
    for (let round = 0; round < 15; round++) {
      const order_id = randomUUID();
      const from = (await nextOffset(pool)) ?? 0;
      const first = [wireEvent(), poison(order_id), wireEvent({ order_id })];
      state.isMended = false;
      await processAll(context, sliceOfEvents(from, first));
      state.isMended = true;
      const arriving = wireEvent({ order_id });
      const [results] = await Promise.all([
        redrive(redriving, place(from + 1)),
        processAll(context, sliceOfEvents(from + 3, [arriving])),
      ]);
      assert.equal(results[0]?.outcome, 'stored');
      // Whoever was first: if the queue was seen empty, it went by; else the next redrive takes it.
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
    const { pool, context, redriving, state, place } = await setUp(t);
    await processAll(context, sliceOfEvents(0, [wireEvent(), poison()]));
    state.isMended = true;
    const both = await Promise.all([redrive(redriving, place(1)), redrive(redriving, place(1))]);
    assert.deepEqual(both.map(([r]) => r?.outcome).sort(), ['gone', 'stored']);
    assert.equal(await count(pool, 'ledger'), 2);
  });

  it('a failure in the middle leaves everything as it was [G2]', async (t) => {
    const { pool, context, redriving, state, place } = await setUp(t);
    await processAll(context, sliceOfEvents(0, [wireEvent(), poison()]));
    state.isMended = true;
    await pool.query(`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
      CREATE TRIGGER die BEFORE INSERT ON dead_letter_audit FOR EACH ROW EXECUTE FUNCTION die()`);
    await assert.rejects(redrive(redriving, place(1)));
    assert.deepEqual([await count(pool, 'dead_letters'), await count(pool, 'ledger')], [1, 1]);
    await pool.query('DROP TRIGGER die ON dead_letter_audit');
    assert.equal((await redrive(redriving, place(1)))[0]?.outcome, 'stored');
  });

  it('discard keeps the id taken, and lets those behind it through [G4] [G5]', async (t) => {
    const { pool, context, redriving, state, place } = await setUp(t);
    const order_id = randomUUID();
    const bad = poison(order_id);
    await processAll(context, sliceOfEvents(0, [wireEvent(), bad, wireEvent({ order_id })]));
    const followed = await discard(redriving, place(1), 'agreed with the customer');
    assert.deepEqual(
      followed.map(({ outcome }) => outcome),
      ['stored'],
    );
    state.isMended = true;
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

  it('goes in order through all logs that an order lies in, after a cut as well [G5]', async (t) => {
    const { pool, context, redriving, state } = await setUp(t);
    const order_id = randomUUID();
    const [bad, later] = [poison(order_id), wireEvent({ order_id })];
    await processAll(context, sliceOfEvents(0, [wireEvent(), bad]));
    // The log goes on under another id, where the offsets begin again.
    const { rows } = await pool.query(
      `INSERT INTO logs (topic, topic_id) VALUES ('order_events', 'topic-1#1') RETURNING log_id`,
    );
    const logId: number = rows[0].log_id;
    await pool.query(
      'UPDATE consumer_positions SET log_id = $1, next_offset = 0, start_offset = 0 WHERE log_partition = 0',
      [logId],
    );
    await processAll({ ...context, logId }, sliceOfEvents(0, [later]));
    state.isMended = true;
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
    const { pool, context, redriving, place } = await setUp(t);
    const order_id = randomUUID();
    const [second, elsewhere] = [wireEvent({ order_id }), wireEvent({ order_id })];
    await processAll(context, sliceOfEvents(0, ['garbage', second]));
    await processAll(context, sliceOfEvents(0, [elsewhere], 1));
    const edit = Buffer.from(JSON.stringify(wireEvent({ order_id, user_id: 'late' })));
    assert.equal((await redriveEdited(redriving, place(0), edit))[0]?.outcome, 'stored');
    const order = await orderRow(pool, order_id);
    assert.deepEqual([order.event_count, order.last_event_id], [3, elsewhere.event_id]);
    const options = { topic: 'order_events', receipts: null, handlers: [], reader: null };
    const verdict = await verify(pool, { ...options, onStep: () => {} });
    assert.equal(verdict.isProven, true, JSON.stringify(verdict.rows));
  });

  it('garbage stays what it is; the audit cannot be changed', async (t) => {
    const { pool, context, redriving, place } = await setUp(t);
    await processAll(context, sliceOfEvents(0, ['garbage']));
    assert.equal((await redrive(redriving, place(0)))[0]?.outcome, 'invalid');
    await discard(redriving, place(0), 'garbage');
    await assert.rejects(pool.query('DELETE FROM dead_letter_audit'), /append-only/);
    await assert.rejects(pool.query(`UPDATE dead_letter_audit SET actor = 'x'`), /append-only/);
    await assert.rejects(pool.query('TRUNCATE dead_letter_audit'), /append-only/);
  });
});

/** Holds a handler in the middle of its transaction, at its n-th call. */
function gateAt(call: number) {
  const entered = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  let calls = 0;
  const wrap = (handler: Handler): Handler => ({
    name: handler.name,
    handle: async (events, tx) => {
      if (++calls === call) {
        entered.resolve();
        await open.promise;
      }
      await handler.handle(events, tx);
    },
  });
  return { wrap, entered: entered.promise, open: open.resolve };
}

describe('A redrive and an arriving event of the same order', () => {
  /** An order with a parked event at 1 and one that waits behind it at 2; and a third that comes. */
  async function setUpRace(t: TestContext, call: number) {
    const parts = await setUp(t);
    const { pool, context, redriving, state, place } = parts;
    const order_id = randomUUID();
    const events = [poison(order_id), wireEvent({ order_id })];
    const arriving = wireEvent({ order_id });
    await processAll(context, sliceOfEvents(0, [wireEvent(), ...events]));
    state.isMended = true;
    const gate = gateAt(call);
    const [handler] = context.handlers.handlers as [Handler];
    const gated = { handlers: [gate.wrap(handler)], timeoutMs: 10_000, attemptsMax: 5 };
    const oneWaits = () =>
      until('one waits for the other', async () => {
        const { rows } = await pool.query(
          `SELECT count(*) AS n FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rows[0].n > 0;
      });
    const assertInOrder = async () => {
      const left = await pool.query('SELECT log_offset FROM dead_letters ORDER BY log_offset');
      for (const { log_offset } of left.rows) await redrive(redriving, place(log_offset));
      const { rows } = await pool.query(
        `SELECT l.event_id FROM ledger l JOIN processed_events USING (event_id)
          WHERE order_id = $1 ORDER BY n`,
        [order_id],
      );
      assert.deepEqual(
        rows.map(({ event_id }) => event_id),
        [...events, arriving].map(({ event_id }) => event_id),
      );
      assert.equal(await count(pool, 'held_orders'), 0);
    };
    return { ...parts, arriving, gate, gated, oneWaits, assertInOrder };
  }

  it('the redrive first: the event waits for its outcome, and does not overtake [G5]', async (t) => {
    const race = await setUpRace(t, 1);
    const { context, redriving, place, arriving, gate, gated } = race;
    const redriven = redrive({ ...redriving, handlers: gated }, place(1));
    await gate.entered;
    const processed = processAll(context, sliceOfEvents(3, [arriving]));
    await race.oneWaits();
    gate.open();
    assert.equal((await redriven)[0]?.outcome, 'stored');
    await processed;
    await race.assertInOrder();
  });

  it('the event first: the redrive waits for it, and takes it along [G5]', async (t) => {
    // The first call is the attempt without parking, which is rolled back; the second holds locks.
    const race = await setUpRace(t, 2);
    const { context, redriving, place, arriving, gate, gated } = race;
    const slice = sliceOfEvents(3, [arriving, wireEvent()]);
    const processed = processAll({ ...context, handlers: gated }, slice);
    await gate.entered;
    const redriven = redrive(redriving, place(1));
    await race.oneWaits();
    gate.open();
    await processed;
    assert.deepEqual(
      (await redriven).map(({ offset, outcome }) => `${offset} ${outcome}`),
      ['1 stored', '2 stored', '3 stored'],
    );
    await race.assertInOrder();
  });
});

describe('redrive with an edited payload', () => {
  const json = (event: object) => Buffer.from(JSON.stringify(event));

  it('stores the edit under the record’s place and digest, and keeps both payloads [G2] [G4]', async (t) => {
    const { pool, context, redriving, place } = await setUp(t);
    const bad = poison();
    await processAll(context, sliceOfEvents(0, [wireEvent(), bad]));
    const edited = { ...bad, total_amount: '6.66' };
    const results = await redriveEdited(redriving, place(1), json(edited));
    assert.deepEqual(results, [{ ...place(1), outcome: 'stored' }]);
    assert.equal((await orderRow(pool, bad.order_id)).amount_sum, '6.6600');
    const again = await processBatch(context, sliceOfEvents(2, [bad, edited]));
    assert.deepEqual([again.duplicates.length, again.conflicts.length], [1, 1]);
    const [entry] = (await readAudit(pool, place(1))) as Record<string, unknown>[];
    const original = Buffer.from(String(entry?.original_value_base64), 'base64').toString();
    assert.deepEqual(JSON.parse(original), bad);
    assert.deepEqual(
      [entry?.actor, entry?.action, entry?.outcome, entry?.edited_payload],
      [
        'test',
        'edit',
        'stored',
        { ...bad, total_amount: '6.6600', timestamp: '2026-01-02T03:04:05.000000Z' },
      ],
    );
    const options = {
      topic: 'order_events',
      receipts: null,
      handlers: [],
      reader: null,
      onStep: () => {},
    };
    assert.equal((await verify(pool, options)).isProven, true);
    await pool.query(`UPDATE processed_events SET user_id = 'thief' WHERE event_id = $1`, [
      bad.event_id,
    ]);
    const verdict = await verify(pool, options);
    assert.deepEqual(
      verdict.rows.map(({ kind }) => kind),
      ['altered', 'last event'],
    );
  });

  it('refuses other ids and what is no event, and changes nothing [G4]', async (t) => {
    const { pool, context, redriving, place } = await setUp(t);
    const bad = poison();
    await processAll(context, sliceOfEvents(0, [wireEvent(), bad]));
    const wrong = [
      { ...bad, event_id: randomUUID() },
      { ...bad, order_id: randomUUID() },
      { ...bad, total_amount: -1 },
    ];
    for (const payload of wrong) {
      const editing = redriveEdited(redriving, place(1), json(payload));
      await assert.rejects(editing, { code: 'EDIT_REFUSED' });
    }
    assert.deepEqual(
      [await count(pool, 'dead_letters'), await count(pool, 'dead_letter_audit')],
      [1, 0],
    );
  });

  it('gives a record that was no event its event; an id taken meanwhile makes it a repeat [G3] [G4]', async (t) => {
    const { pool, context, redriving, place } = await setUp(t);
    const event = wireEvent();
    const broken = { ...event, total_amount: 'ten' };
    const parked = poison();
    const slice = sliceOfEvents(0, [JSON.stringify(broken), 'garbage', wireEvent(), parked]);
    await processAll(context, slice);
    const other = redriveEdited(redriving, place(0), json(wireEvent()));
    await assert.rejects(other, { code: 'EDIT_REFUSED' }, 'its event id can be read');
    assert.equal((await redriveEdited(redriving, place(0), json(event)))[0]?.outcome, 'stored');
    const taken = { ...parked, total_amount: 1 };
    assert.equal((await redriveEdited(redriving, place(1), json(taken)))[0]?.outcome, 'conflict');
    assert.deepEqual(
      [await count(pool, 'processed_events'), await count(pool, 'conflicts')],
      [2, 1],
    );
    const verdict = await verify(pool, {
      topic: 'order_events',
      receipts: null,
      handlers: [],
      reader: null,
      onStep: () => {},
    });
    assert.equal(verdict.isProven, true, JSON.stringify(verdict));
  });

  it('stays parked where the edit fails too, and the audit has the attempt', async (t) => {
    const { pool, context, redriving, place } = await setUp(t);
    const bad = poison();
    await processAll(context, sliceOfEvents(0, [wireEvent(), bad]));
    const results = await redriveEdited(redriving, place(1), json({ ...bad, user_id: 'other' }));
    assert.equal(results[0]?.outcome, 'failed');
    const [letter] = (await pool.query('SELECT state, value FROM dead_letters')).rows;
    assert.deepEqual([letter.state, JSON.parse(letter.value)], ['parked', bad]);
    const [entry] = (await readAudit(pool, place(1))) as Record<string, unknown>[];
    assert.deepEqual(
      [entry?.action, entry?.outcome, entry?.detail],
      ['edit', 'failed', 'Handler "ledger": not yet'],
    );
  });

  it('redrives all that a filter names, and passes over what fails', async (t) => {
    const { context, redriving, place } = await setUp(t);
    await processAll(context, sliceOfEvents(0, [wireEvent(), poison(), 'garbage', poison()]));
    const results: RedriveResult[] = [];
    for await (const step of redriveMatching(redriving, { reason: 'refused_by_handler' })) {
      results.push(...step.results);
    }
    assert.deepEqual(
      results.map(({ offset, outcome }) => `${offset} ${outcome}`),
      [`${place(1).offset} failed`, `${place(3).offset} failed`],
    );
  });
});
