/** Events of declared types, from the record in the log to PostgreSQL. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { z } from 'zod';
import { sliceOfEvents } from '../../test/support/events.ts';
import { count, setUpHeart } from '../../test/support/heart.ts';
import { redriveEdited } from '../dead-letters/redrive.ts';
import { TypeResumer } from '../dead-letters/type-resumer.ts';
import { compileEvents } from '../event/declared-events.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { defineEvents } from '../handlers/define-events.ts';
import { NO_HANDLERS } from '../handlers/run-handlers.ts';
import type { RecordRules } from '../log/decode-hook.ts';
import { createLogger } from '../runtime/logger.ts';
import { listDeadLetters } from '../store/dead-letter-queue.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { findEvent, findOrder } from '../store/event-status.ts';
import { migrate } from '../store/migrate.ts';
import { verify } from '../verify/verify.ts';
import { processBatch } from './process-batch.ts';

const EVENTS = defineEvents(
  {
    'order.placed': {
      data: z.object({
        currency: z.string().regex(/^[A-Z]{3}$/),
        lines: z
          .array(
            z.object({ sku: z.string(), quantity: z.int().positive(), unit_price: z.string() }),
          )
          .max(500),
      }),
    },
    'order.cancelled': {
      amount: 'none',
      data: {
        type: 'object',
        properties: { reason: { type: 'string', maxLength: 200 } },
        required: ['reason'],
        additionalProperties: false,
      },
    },
    'order.refunded': {
      amount: 'signed',
      version: 2,
      data: z.object({ refund_of: z.uuid(), currency: z.string().length(3) }),
      upgrade: { 1: (old) => ({ ...old, currency: 'EUR' }) },
    },
  },
  { ids: { event: 'stripe', order: 'shopify' } },
);
const DECLARED = compileEvents(EVENTS);
const RULES = { ...UNDECLARED, declared: DECLARED };

function placed(parts: object = {}) {
  return {
    event_id: randomUUID(),
    order_id: randomUUID(),
    user_id: 'user-1',
    total_amount: '10.50',
    timestamp: '2026-01-02T03:04:05Z',
    type: 'order.placed',
    data: { lines: [{ sku: 'a', quantity: 2, unit_price: '5.25' }], currency: 'EUR' },
    ...parts,
  };
}

const refunded = (parts: object = {}) =>
  placed({
    type: 'order.refunded',
    total_amount: -5,
    data: { refund_of: randomUUID(), currency: 'EUR' },
    ...parts,
  });

async function setUp(t: TestContext) {
  const { pool, context } = await setUpHeart(t, 1);
  await migrate(pool, { declared: DECLARED });
  const typed = { ...context, rules: RULES };
  const verified = (rules: RecordRules = RULES) =>
    verify(pool, {
      topic: 'order_events',
      receipts: null,
      handlers: [],
      reader: null,
      onStep: () => {},
      ...USUAL_MODEL,
      rules,
    });
  const prove = async (rules = RULES) => {
    const verdict = await verified(rules);
    assert.deepEqual([...verdict.offsets, ...verdict.rows], []);
    assert.equal(verdict.isProven, true);
  };
  return { pool, context, typed, verified, prove };
}

describe('Typed events', () => {
  it('are stored with their data; the same written otherwise is a duplicate [G2] [G4]', async (t) => {
    const { pool, typed, prove } = await setUp(t);
    const order_id = randomUUID();
    const event = placed({ order_id });
    const { data, ...rest } = event;
    const again = { ...rest, data: { currency: data.currency, lines: data.lines }, version: 1 };
    const other = { ...event, data: { ...data, lines: [{ ...data.lines[0], quantity: 3 }] } };
    const cancelled = placed({
      order_id,
      type: 'order.cancelled',
      total_amount: undefined,
      data: { reason: 'x' },
    });
    const events = [event, again, other, cancelled, refunded({ order_id })];
    const outcome = await processBatch(typed, sliceOfEvents(0, events));
    assert.deepEqual(
      [outcome.stored, outcome.duplicates.length, outcome.conflicts.length, outcome.deadLetters],
      [3, 1, 1, []],
    );
    const { rows } = await pool.query('SELECT payload, first_payload FROM conflicts');
    assert.equal(rows[0].payload.data.lines[0].quantity, 3);
    assert.equal(rows[0].first_payload.data.lines[0].quantity, 2);
    assert.equal(rows[0].first_payload.version, 1);
    const order = (await findOrder(pool, order_id)) as Record<string, unknown>;
    assert.deepEqual(
      [order.event_count, order.amount_sum, order.amount_sums],
      [3, '0', { EUR: '5.5000' }],
    );
    const status = (await findEvent(pool, cancelled.event_id)) as Record<string, unknown>;
    assert.deepEqual(
      [status.type, status.version, status.data, status.total_amount],
      ['order.cancelled', 1, { reason: 'x' }, null],
    );
    const view = await pool.query('SELECT event_id, currency, lines FROM order_placed');
    assert.deepEqual(view.rows, [{ event_id: event.event_id, currency: 'EUR', lines: data.lines }]);
    await prove();
  });

  it('of one order in several currencies are never added up [G2]', async (t) => {
    const { pool, typed, prove } = await setUp(t);
    const order_id = randomUUID();
    const inCurrency = (currency: string) => placed({ order_id, data: { currency, lines: [] } });
    const plain = { ...placed({ order_id }), type: undefined, data: undefined };
    await processBatch(typed, sliceOfEvents(0, [inCurrency('EUR'), inCurrency('USD'), plain]));
    await processBatch(typed, sliceOfEvents(3, [inCurrency('USD'), plain, inCurrency('CHF')]));
    const order = (await findOrder(pool, order_id)) as Record<string, unknown>;
    assert.deepEqual(order.amount_sums, { CHF: '10.5000', EUR: '10.5000', USD: '21.0000' });
    assert.equal(order.amount_sum, '10.5000');
    await prove();
  });

  it('with text ids are found by them, and keep them [G4]', async (t) => {
    const { pool, typed, prove } = await setUp(t);
    const event = placed({ event_id: 'evt_1', order_id: '#1001' });
    const outcome = await processBatch(typed, sliceOfEvents(0, [event, event]));
    assert.deepEqual([outcome.stored, outcome.duplicates.length], [1, 1]);
    const { rows } = await pool.query(
      'SELECT event_id, event_id_text, order_id_text FROM processed_events',
    );
    assert.deepEqual([rows[0].event_id_text, rows[0].order_id_text], ['evt_1', '#1001']);
    const status = (await findEvent(pool, rows[0].event_id)) as Record<string, unknown>;
    assert.deepEqual([status.sent_event_id, status.sent_order_id], ['evt_1', '#1001']);
    await prove();
  });

  it('of an unknown type are parked in order, and redriven once it is known [G3] [G4] [G5]', async (t) => {
    const { pool, context, typed, prove } = await setUp(t);
    const order_id = randomUUID();
    const plain = () => ({ ...placed({ order_id }), type: undefined, data: undefined });
    const [first, unknown, behind] = [plain(), placed({ order_id }), plain()];
    const before = await processBatch(context, sliceOfEvents(0, [first, unknown, behind, unknown]));
    assert.equal(before.stored, 1);
    assert.deepEqual(
      before.deadLetters.map(({ state, reason }) => [state, reason]),
      [
        ['parked', 'unknown_type'],
        ['waiting', 'order_held'],
      ],
    );
    assert.equal(before.duplicates.length, 1);
    await prove(UNDECLARED as typeof RULES);
    const later = plain();
    await processBatch(typed, sliceOfEvents(4, [later]));
    const logger = createLogger('silent');
    const { projection } = typed;
    const redriving = { pool, handlers: NO_HANDLERS, rules: RULES, projection };
    await new TypeResumer(redriving, logger).check();
    const { rows } = await pool.query('SELECT event_id FROM processed_events ORDER BY log_offset');
    assert.deepEqual(
      rows.map((row) => row.event_id),
      [first, unknown, behind, later].map((event) => event.event_id),
    );
    assert.equal(await count(pool, 'held_orders'), 0);
    const audit = await pool.query('SELECT DISTINCT actor FROM dead_letter_audit');
    assert.deepEqual(audit.rows, [{ actor: 'orderonce: type known now' }]);
    const again = await processBatch(typed, sliceOfEvents(5, [unknown]));
    assert.equal(again.duplicates.length, 1);
    await prove();
  });

  it('whose data is wrong in any deployment hold their order, and can be edited [G5]', async (t) => {
    const { pool, typed, prove } = await setUp(t);
    const event = placed();
    const text = JSON.stringify(event);
    const behind = placed({ order_id: event.order_id });
    const wrong = [text.replace('"quantity":2', '"quantity":1e400'), JSON.stringify(behind)];
    const { deadLetters, stored } = await processBatch(typed, sliceOfEvents(0, wrong));
    assert.deepEqual(
      deadLetters.map(({ reason }) => reason),
      ['invalid_data', 'order_held'],
    );
    assert.equal(stored, 0);
    const again = await processBatch(typed, sliceOfEvents(2, [wrong[0] as string, event]));
    assert.deepEqual([again.duplicates.length, again.conflicts.length], [1, 1]);
    const redriving = { pool, handlers: NO_HANDLERS, rules: RULES, projection: typed.projection };
    const [letter] = await listDeadLetters(pool, { reason: 'invalid_data', limit: 1 });
    assert.ok(letter);
    await redriveEdited({ ...redriving, actor: 'ann' }, letter, Buffer.from(text));
    const { rows } = await pool.query('SELECT event_id FROM processed_events ORDER BY log_offset');
    assert.deepEqual(
      rows.map((row) => row.event_id),
      [event.event_id, behind.event_id],
    );
    await prove();
  });

  it('whose data PostgreSQL could not read are conflicts as any others, first and second [G4] [G6]', async (t) => {
    const { pool, context, typed, prove } = await setUp(t);
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    let next = 0;
    for (const bad of ['"\\u0000"', '"\\ud800"', '1e400000', deep, '1,"currency":2']) {
      for (const isFirst of [true, false]) {
        const good = placed();
        const wrong = JSON.stringify(good).replace('"currency":"EUR"', `"currency":${bad}`);
        const records = isFirst ? [wrong, good] : [good, wrong];
        for (const deployment of [typed, context]) {
          const slice = sliceOfEvents(next, records);
          next += records.length;
          const { conflicts, duplicates } = await processBatch(deployment, slice);
          const seen = [1, deployment === typed ? 0 : 1];
          assert.deepEqual([conflicts.length, duplicates.length], seen, bad.slice(0, 20));
        }
        const id = good.event_id;
        assert.ok(await findEvent(pool, id));
      }
    }
    const { rows } = await pool.query(
      `SELECT DISTINCT jsonb_typeof(payload) AS this, jsonb_typeof(first_payload) AS first FROM conflicts`,
    );
    assert.deepEqual(rows, [{ this: 'object', first: 'object' }]);
    // What a decode function read need not be JSON at all.
    const [letter] = await listDeadLetters(pool, { reason: 'invalid_data', limit: 1 });
    await pool.query(`UPDATE dead_letters SET value = '\\x00ff00' WHERE event_id = $1`, [
      letter?.eventId,
    ]);
    const other = placed({ event_id: letter?.eventId as string, user_id: 'other' });
    assert.equal((await processBatch(typed, sliceOfEvents(next, [other]))).conflicts.length, 1);
    assert.ok(await findEvent(pool, letter?.eventId as string));
    await prove();
  });

  it('of an unknown type that say no version are redriven once any version is known [G3]', async (t) => {
    const { pool, context, typed, prove } = await setUp(t);
    await processBatch(context, sliceOfEvents(0, [placed({ type: 'late', data: undefined })]));
    const late = { types: { late: { version: 7 } }, options: {} };
    const rules = { ...UNDECLARED, declared: compileEvents(late) };
    const redriving = { pool, handlers: NO_HANDLERS, rules, projection: typed.projection };
    await new TypeResumer(redriving, createLogger('silent')).check();
    const { rows } = await pool.query('SELECT event_type, event_version FROM event_data');
    assert.deepEqual(rows, [{ event_type: 'late', event_version: 7 }]);
    await prove(rules);
  });

  it('of an older version reach handlers lifted, and stay as they were sent [G2]', async (t) => {
    const { pool, typed, prove } = await setUp(t);
    const refund_of = randomUUID();
    const old = refunded({ version: 1, data: { refund_of } });
    const seen: unknown[] = [];
    const handler = EVENTS.on('order.refunded', async (events) => {
      for (const { data, version, totalAmount } of events) seen.push([data, version, totalAmount]);
    });
    const handlers = { ...NO_HANDLERS, handlers: [handler] };
    const wrong = refunded({ version: 3 });
    await processBatch({ ...typed, handlers }, sliceOfEvents(0, [old, placed(), wrong]));
    assert.deepEqual(seen, [[{ refund_of, currency: 'EUR' }, 2, '-5.0000']]);
    const { rows } = await pool.query(
      `SELECT event_version, data FROM event_data WHERE event_type = 'order.refunded'`,
    );
    assert.deepEqual(rows, [{ event_version: 1, data: { refund_of } }]);
    const letters = await pool.query('SELECT state, reason FROM dead_letters');
    assert.deepEqual(letters.rows, [{ state: 'parked', reason: 'unknown_version' }]);
    await prove();
  });

  it('are convicted if the text of an id was changed', async (t) => {
    const { pool, typed, verified, prove } = await setUp(t);
    await processBatch(typed, sliceOfEvents(0, [placed({ order_id: '#1001' }), placed()]));
    await prove();
    await pool.query(`UPDATE processed_events SET order_id_text = '#1002' WHERE log_offset = 0`);
    const { isProven, rows } = await verified();
    assert.deepEqual([isProven, rows.map(({ kind }) => kind)], [false, ['altered']]);
  });

  it('are counted where verify does not know their types', async (t) => {
    const { typed, verified } = await setUp(t);
    await processBatch(typed, sliceOfEvents(0, [placed(), placed()]));
    assert.equal((await verified()).undeclaredTypes, 0);
    const { isProven, undeclaredTypes } = await verified(USUAL_MODEL.rules);
    assert.deepEqual([isProven, undeclaredTypes], [true, 2]);
  });

  it('that were altered are convicted [G2]', async (t) => {
    const { pool, typed, verified } = await setUp(t);
    await processBatch(typed, sliceOfEvents(0, [placed(), placed()]));
    await pool.query(
      `UPDATE event_data SET data = jsonb_set(data, '{currency}', '"USD"') WHERE log_offset = 0`,
    );
    await pool.query('DELETE FROM event_data WHERE log_offset = 1');
    const verdict = await verified();
    const kinds = verdict.rows.map(({ kind }) => kind).sort();
    assert.deepEqual(kinds, ['altered', 'altered', 'effect', 'effect']);
  });
});
