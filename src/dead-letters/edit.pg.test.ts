import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, orderRow, processAll } from '../../test/support/heart.ts';
import { poison, setUpLetters } from '../../test/support/letters.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { readAudit } from '../store/dead-letter-queue.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { verify } from '../verify/verify.ts';
import { redriveEdited, redriveMatching } from './redrive.ts';
import type { RedriveResult } from './redrive-one.ts';

describe('redrive with an edited payload', () => {
  const json = (event: object) => Buffer.from(JSON.stringify(event));

  it('stores the edit under the record’s place and digest, and keeps both payloads [G2] [G4]', async (t) => {
    const { pool, context, redriving, place } = await setUpLetters(t);
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
      ...USUAL_MODEL,
    };
    assert.equal((await verify(pool, options)).isProven, true);
    await pool.query(`UPDATE processed_events SET user_id = 'changed' WHERE event_id = $1`, [
      bad.event_id,
    ]);
    const verdict = await verify(pool, options);
    assert.deepEqual(
      verdict.rows.map(({ kind }) => kind),
      ['altered', 'last event'],
    );
  });

  it('refuses other ids and what is no event, and changes nothing [G4]', async (t) => {
    const { pool, context, redriving, place } = await setUpLetters(t);
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
    const { pool, context, redriving, place } = await setUpLetters(t);
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
      ...USUAL_MODEL,
    });
    assert.equal(verdict.isProven, true, JSON.stringify(verdict));
  });

  it('stays parked where the edit fails too, and the audit has the attempt', async (t) => {
    const { pool, context, redriving, place } = await setUpLetters(t);
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
    const { context, redriving, place } = await setUpLetters(t);
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
