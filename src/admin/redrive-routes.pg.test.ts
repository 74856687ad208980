import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, processAll } from '../../test/support/heart.ts';
import { poison, setUpLetters } from '../../test/support/letters.ts';
import { serve } from '../../test/support/serve.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { addDeadLetterActions } from './dead-letter-actions.ts';
import { addDeadLetterRoutes } from './dead-letter-routes.ts';
import { addRedriveRoutes } from './redrive-routes.ts';

async function setUp(t: TestContext, letters: number) {
  const parts = await setUpLetters(t);
  const { pool, context, redriving } = parts;
  const events = Array.from({ length: letters }, () => [poison(), wireEvent()]).flat();
  // Nothing is parked while every event is refused.
  await processAll(context, sliceOfEvents(0, events));
  let created = 0;
  const http = await serve(t, (app) => {
    addRedriveRoutes(app, redriving, () => {
      created++;
    });
    addDeadLetterActions(app, redriving);
    addDeadLetterRoutes(app, pool, UNDECLARED);
  });
  return { ...parts, ...http, events, created: () => created };
}

describe('POST /redrives', () => {
  it('plans: counts all, tries up to 20 and rolls them back [G2]', async (t) => {
    const { pool, post, state, created } = await setUp(t, 25);
    state.isFixed = true;
    const plan = await post('/redrives', { filter: {}, dry_run: true });
    assert.equal(plan.status, 200);
    assert.deepEqual(
      [plan.body.count, plan.body.total, plan.body.outcomes],
      [25, 25, { stored: 20 }],
    );
    state.isFixed = false;
    const bad = await post('/redrives', { filter: {}, first: 3, dry_run: true });
    assert.deepEqual([bad.body.count, bad.body.total, bad.body.outcomes], [25, 3, { failed: 3 }]);
    assert.match(bad.body.tried[0].message, /not yet/);
    for (const table of ['ledger', 'processed_events']) {
      assert.equal(await count(pool, table), 25, table);
    }
    for (const table of ['dead_letter_audit', 'redrive_jobs']) {
      assert.equal(await count(pool, table), 0, table);
    }
    assert.equal(await count(pool, 'dead_letters'), 25);
    assert.equal(created(), 0);
  });

  it('wants the exact count and a reason for more than 100, and refuses another count', async (t) => {
    const { pool, post, get, created } = await setUp(t, 1);
    await pool.query(
      `INSERT INTO dead_letters (log_id, log_partition, log_offset, state, reason)
       SELECT 1, 1, n, 'parked', 'invalid_event' FROM generate_series(1, 100) n`,
    );
    const plan = await post('/redrives', { filter: {}, action: 'discard', dry_run: true });
    assert.deepEqual([plan.body.needs, plan.body.tried], [['count', 'reason'], []]);
    const without = await post('/redrives', { filter: {} });
    assert.equal(without.status, 422);
    assert.deepEqual(
      without.body.detail.map(({ loc }: { loc: string[] }) => loc[1]),
      ['count', 'reason'],
    );
    const wrong = await post('/redrives', { filter: {}, count: 100, reason: 'fixed' });
    assert.deepEqual([wrong.status, /101 dead letters match/.test(wrong.body.detail)], [409, true]);
    assert.equal(created(), 0);
    const actor = { 'orderonce-actor': 'ann' };
    const right = await post('/redrives', { filter: {}, count: 101, reason: 'fixed' }, actor);
    assert.equal(right.status, 202);
    assert.deepEqual(
      [right.body.state, right.body.total, right.body.asked_by, created()],
      ['waiting', 101, 'ann (http 127.0.0.1)', 1],
    );
    // A few of many need neither.
    assert.equal((await post('/redrives', { filter: {}, first: 100 })).status, 202);
    const { items } = (await get('/redrives')).body;
    assert.deepEqual(
      items.map((job: { total: number }) => job.total),
      [100, 101],
    );
    const id = right.body.redrive_id;
    assert.equal((await post(`/redrives/${id}/stop`, {}, actor)).body.state, 'stopped');
    assert.equal((await get(`/redrives/${id}`)).body.stopped_by, 'ann (http 127.0.0.1)');
  });

  it('refuses what may make no change, and says which job is missing', async (t) => {
    const { post, get } = await setUp(t, 1);
    const evil = { origin: 'http://evil.example' };
    assert.equal((await post('/redrives', { filter: {} }, evil)).status, 403);
    assert.equal((await post('/redrives/1/stop', {}, evil)).status, 403);
    assert.equal((await post('/redrives')).status, 422);
    assert.equal((await post('/redrives/7/stop', {})).status, 404);
    for (const id of ['0', 'x', '1234567890']) {
      assert.equal((await get(`/redrives/${id}`)).status, 422, id);
    }
  });
});

describe('POST /dead-letters/{place}/check', () => {
  it('says what is wrong with an edit, what it changes, and how it would end [G2]', async (t) => {
    const { pool, post, events } = await setUp(t, 1);
    const [event] = events;
    const check = (body: object, query = '') => post(`/dead-letters/1/0/0/check${query}`, body);
    const wrong = (await check({ ...event, total_amount: -1, user_id: '' })).body;
    assert.equal(wrong.ok, false);
    assert.deepEqual(wrong.errors.map(({ loc }: { loc: string[] }) => loc[1]).sort(), [
      'total_amount',
      'user_id',
    ]);
    const other = (await check(wireEvent())).body;
    assert.match(other.errors[0].msg, /ids of the record cannot be edited/);
    assert.equal((await check(Buffer.from('{'))).body.ok, false);
    const right = (await check({ ...event, total_amount: 6 })).body;
    assert.deepEqual([right.ok, right.tried], [true, null]);
    const amount = right.changes.find(({ field }: { field: string }) => field === 'total_amount');
    assert.deepEqual(amount, { field: 'total_amount', before: '666', after: '6.0000' });
    const tried = (await check({ ...event, total_amount: 6 }, '?try=true')).body.tried;
    assert.deepEqual(tried, { place: '1/0/0', outcome: 'stored' });
    const refused = (await check(event as object, '?try=true')).body.tried;
    assert.equal(refused.outcome, 'failed');
    assert.deepEqual([await count(pool, 'ledger'), await count(pool, 'dead_letter_audit')], [1, 0]);
    assert.equal((await post('/dead-letters/1/0/9/check', {})).status, 404);
    assert.equal((await post('/dead-letters/1/0/0/check?try=no', {})).status, 422);
  });
});

describe('GET /dead-letters', () => {
  it('shows the newest first, pages by time, and finds text and groups of one cause', async (t) => {
    const { pool, context, get } = await setUp(t, 3);
    await processAll(context, sliceOfEvents(0, [poison(), 'garbage', wireEvent()], 1));
    await pool.query(
      `UPDATE dead_letters SET parked_at = parked_at - interval '1 h' WHERE log_partition = 0 AND log_offset = 4`,
    );
    const places = async (url: string) =>
      (await get(url)).body.items.map(({ place }: { place: string }) => place);
    const newest = await places('/dead-letters');
    assert.deepEqual(newest.at(-1), '1/0/4');
    assert.deepEqual(newest.slice(0, 2).sort(), ['1/1/0', '1/1/1']);
    assert.deepEqual(await places('/dead-letters?sort=oldest'), newest.toReversed());
    assert.deepEqual(await places('/dead-letters?sort=place&limit=2'), ['1/0/0', '1/0/2']);
    for (const sort of ['newest', 'oldest', 'place']) {
      const paged: string[] = [];
      for (let next: string | null = ''; next !== null; ) {
        const after = next === '' ? '' : `&after=${next}`;
        const page: { items: { place: string }[]; next: string | null } = (
          await get(`/dead-letters?sort=${sort}&limit=2${after}`)
        ).body;
        paged.push(...page.items.map(({ place }) => place));
        next = page.next;
      }
      assert.deepEqual(paged, await places(`/dead-letters?sort=${sort}`), sort);
    }
    const { body } = await get('/dead-letters?q=NOT%20yet&total=true&limit=1');
    assert.deepEqual(body.total, { count: 4, is_capped: false, text: '4' });
    assert.equal(
      (await get('/dead-letters?sqlstate=none&reason=invalid_event')).body.items.length,
      1,
    );
    assert.equal((await get('/dead-letters?after=1/0/0')).status, 422);
    const { items } = (await get('/dead-letters/groups')).body;
    assert.deepEqual(
      items.map((one: Record<string, unknown>) => [one.reason, one.count, one.example]),
      [
        ['refused_by_handler', 4, '1/0/0'],
        ['invalid_event', 1, '1/1/1'],
      ],
    );
    const shape = encodeURIComponent(items[0].shape);
    assert.equal((await places(`/dead-letters?shape=${shape}`)).length, 4);
  });

  it('gives messages of one cause one shape, whatever ids and numbers are in them', async (t) => {
    const { pool, get } = await setUp(t, 2);
    await pool.query(
      `UPDATE dead_letters SET detail = jsonb_build_object('message',
         'Key (id)=(' || log_offset || ') of ' || gen_random_uuid() || ' at 12:30:0' || log_offset)`,
    );
    const { items } = (await get('/dead-letters/groups')).body;
    assert.deepEqual(
      items.map((one: Record<string, unknown>) => [one.shape, one.count]),
      [['Key # of # at #', 2]],
    );
  });
});
