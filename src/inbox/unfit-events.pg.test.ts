/** Events whose type, version or data this deployment does not know or refuses. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { sliceOfEvents } from '../../test/support/events.ts';
import { count } from '../../test/support/heart.ts';
import { placed, RULES, setUpTyped } from '../../test/support/typed-shop.ts';
import { redriveEdited } from '../dead-letters/redrive.ts';
import { TypeResumer } from '../dead-letters/type-resumer.ts';
import { compileEvents } from '../event/declared-events.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { NO_HANDLERS } from '../handlers/run-handlers.ts';
import { createLogger } from '../runtime/logger.ts';
import { listDeadLetters } from '../store/dead-letter-queue.ts';
import { findEvent } from '../store/event-status.ts';
import { processBatch } from './process-batch.ts';

describe('Typed events that this deployment cannot take', () => {
  it('of an unknown type are parked in order, and redriven once it is known [G3] [G4] [G5]', async (t) => {
    const { pool, context, typed, prove } = await setUpTyped(t);
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
    const { pool, typed, prove } = await setUpTyped(t);
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
    const { pool, context, typed, prove } = await setUpTyped(t);
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
    const { pool, context, typed, prove } = await setUpTyped(t);
    await processBatch(context, sliceOfEvents(0, [placed({ type: 'late', data: undefined })]));
    const late = { types: { late: { version: 7 } }, options: {} };
    const rules = { ...UNDECLARED, declared: compileEvents(late) };
    const redriving = { pool, handlers: NO_HANDLERS, rules, projection: typed.projection };
    await new TypeResumer(redriving, createLogger('silent')).check();
    const { rows } = await pool.query('SELECT event_type, event_version FROM event_data');
    assert.deepEqual(rows, [{ event_type: 'late', event_version: 7 }]);
    await prove(rules);
  });
});
