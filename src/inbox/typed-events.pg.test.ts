/** Events of declared types, from the record in the log to PostgreSQL. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { sliceOfEvents } from '../../test/support/events.ts';
import { EVENTS, placed, refunded, setUpTyped } from '../../test/support/typed-shop.ts';
import { compileEvents } from '../event/declared-events.ts';
import { defineEvents } from '../handlers/define-events.ts';
import type { Handler } from '../handlers/handler.ts';
import { NO_HANDLERS } from '../handlers/run-handlers.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { findEvent, findOrder } from '../store/event-status.ts';
import { processBatch } from './process-batch.ts';

describe('Typed events', () => {
  it('are stored with their data; the same written otherwise is a duplicate [G2] [G4]', async (t) => {
    const { pool, typed, prove } = await setUpTyped(t);
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
    const { pool, typed, prove } = await setUpTyped(t);
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

  it('are counted anew in orders by the statement of the documentation [G2]', async (t) => {
    const { pool, typed, prove } = await setUpTyped(t);
    const [order_id, none] = [randomUUID(), randomUUID()];
    const cancelled = { type: 'order.cancelled', total_amount: undefined, data: { reason: 'x' } };
    const usd = { lines: [], currency: 'USD' };
    const events = [
      placed({ order_id }),
      refunded({ order_id }),
      placed({ order_id, data: usd }),
      { ...placed({ order_id, type: undefined, data: undefined }) },
      placed({ order_id, ...cancelled }),
      placed({ order_id: none, ...cancelled }),
    ];
    await processBatch(typed, sliceOfEvents(0, events));
    const read = async () => (await pool.query('SELECT * FROM orders ORDER BY order_id')).rows;
    const before = await read();
    await pool.query('UPDATE orders SET event_count = 1, amount_sums = NULL');
    const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const [, sql = ''] = /```sql\n(BEGIN;\nTRUNCATE orders;[\s\S]*?)```/.exec(page) ?? [];
    const client = await pool.connect();
    await client.query({ text: sql });
    client.release();
    assert.deepEqual(await read(), before);
    await prove();
  });

  it('with text ids are found by them, and keep them [G4]', async (t) => {
    const { pool, typed, prove } = await setUpTyped(t);
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

  it('reach handlers with data that only a newer version has', async (t) => {
    const { pool, typed } = await setUpTyped(t);
    const types = {
      noted: {
        version: 2,
        data: z.object({ note: z.string() }),
        upgrade: { 1: () => ({ note: 'none' }) },
      },
    };
    const declared = compileEvents(defineEvents(types));
    const seen: unknown[] = [];
    const handler: Handler = { name: 'see', handle: async (events) => void seen.push(...events) };
    await processBatch(
      {
        ...typed,
        rules: { ...typed.rules, declared },
        handlers: { handlers: [handler], timeoutMs: 1000, attemptsMax: 1 },
      },
      sliceOfEvents(0, [placed({ type: 'noted', version: 1, data: undefined })]),
    );
    assert.deepEqual(
      seen.map((event) => (event as { data: unknown }).data),
      [{ note: 'none' }],
    );
    assert.equal((await pool.query('SELECT FROM event_data WHERE data IS NULL')).rowCount, 1);
  });

  it('of an older version reach handlers lifted, and stay as they were sent [G2]', async (t) => {
    const { pool, typed, prove } = await setUpTyped(t);
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
    const { pool, typed, verified, prove } = await setUpTyped(t);
    await processBatch(typed, sliceOfEvents(0, [placed({ order_id: '#1001' }), placed()]));
    await prove();
    await pool.query(`UPDATE processed_events SET order_id_text = '#1002' WHERE log_offset = 0`);
    const { isProven, rows } = await verified();
    assert.deepEqual([isProven, rows.map(({ kind }) => kind)], [false, ['altered']]);
  });

  it('are counted where verify does not know their types', async (t) => {
    const { typed, verified } = await setUpTyped(t);
    await processBatch(typed, sliceOfEvents(0, [placed(), placed()]));
    assert.equal((await verified()).undeclaredTypes, 0);
    const { isProven, undeclaredTypes } = await verified(USUAL_MODEL.rules);
    assert.deepEqual([isProven, undeclaredTypes], [true, 2]);
  });

  it('are convicted if what was recorded of their types was changed', async (t) => {
    const { pool, typed, verified } = await setUpTyped(t);
    await processBatch(typed, sliceOfEvents(0, [placed(), placed()]));
    const found = async () => (await verified()).rows.map(({ kind, id }) => `${kind} ${id}`);
    assert.deepEqual(await found(), []);
    const change = `UPDATE event_types SET schema = jsonb_set(schema, '{description}', '"x"')`;
    await pool.query(`${change} WHERE event_type = 'order.placed'`);
    assert.deepEqual(await found(), ['event type order.placed@1']);
  });

  it('that were altered are convicted [G2]', async (t) => {
    const { pool, typed, verified } = await setUpTyped(t);
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
