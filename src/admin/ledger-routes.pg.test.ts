import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { contextIn, processAll, setUpHeart } from '../../test/support/heart.ts';
import { serve } from '../../test/support/serve.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { NO_HANDLERS } from '../handlers/run-handlers.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { logRecord } from '../log/log-record.ts';
import { RequestIds, requestIdHeader } from '../log/request-id.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { addDeadLetterActions } from './dead-letter-actions.ts';
import { addDeadLetterRoutes } from './dead-letter-routes.ts';
import { addLedgerRoutes } from './ledger-routes.ts';

async function setUp(t: TestContext) {
  const { pool, context } = await setUpHeart(t, 1);
  const http = await serve(t, (app) => {
    addLedgerRoutes(app, pool, UNDECLARED);
    addDeadLetterRoutes(app, pool, UNDECLARED);
    addDeadLetterActions(app, { pool, handlers: NO_HANDLERS, ...USUAL_MODEL });
  });
  return { pool, context, ...http };
}

/** Offset 1 holds a parked event, offset 2 one that waits behind it, offset 3 garbage. */
async function setUpParked(t: TestContext) {
  const parts = await setUp(t);
  const { pool, context } = parts;
  await pool.query('ALTER TABLE processed_events ADD CONSTRAINT c CHECK (total_amount <> 666)');
  const parked = wireEvent({ total_amount: '666' });
  const behind = wireEvent({ order_id: parked.order_id });
  await processAll(context, sliceOfEvents(0, [wireEvent(), parked, behind, 'garbage\u0000']));
  const fix = () => pool.query('ALTER TABLE processed_events DROP CONSTRAINT c');
  return { ...parts, parked, behind, fix };
}

describe('GET /duplicates and /conflicts', () => {
  it('say why each was there, who brought it, and where the first one lies [G3] [G4]', async (t) => {
    const { context, get } = await setUp(t);
    const ids = new RequestIds();
    const event = wireEvent();
    const slice = sliceOfEvents(0, [event, event, event, { ...event, user_id: 'other' }]);
    const [first, , foreign, conflict] = slice.records;
    const resent = ids.next();
    const headers = [ids.next(), resent, null, new RequestIds().next()].map((id) =>
      id === null ? [] : [requestIdHeader(id)],
    );
    const records = slice.records.map((r, i) => logRecord({ ...r, headers: headers[i] ?? [] }));
    await processBatch(context, { ...slice, records });
    const { items } = (await get('/duplicates?sort=oldest')).body;
    assert.deepEqual(
      items.map((item: Record<string, unknown>) => [item.offset, item.source, item.request_id]),
      [
        [1, 'resent_same_process', resent],
        [foreign?.offset, 'foreign_client', null],
      ],
    );
    assert.deepEqual([items[0].first_log_offset, items[0].place], [first?.offset, '1/0/1']);
    const [clash] = (await get(`/conflicts?event_id=${event.event_id}`)).body.items;
    assert.equal(clash.source, 'resent_other_process');
    assert.deepEqual(
      [clash.offset, clash.payload.user_id, clash.first_payload.user_id],
      [conflict?.offset, 'other', 'user-1'],
    );
    assert.notEqual(clash.digest, clash.first_digest);
    assert.match(clash.first_stored_at, /^\d{4}-.*Z$/);
  });

  it('page, filter, and count by source', async (t) => {
    const { context, get } = await setUp(t);
    const [a, b] = [wireEvent(), wireEvent()];
    await processBatch(context, sliceOfEvents(0, [a, b, a, b, a]));
    const first = (await get('/duplicates?sort=place&limit=2')).body;
    assert.deepEqual([first.items.length, first.next], [2, '1/0/3']);
    const second = (await get(`/duplicates?sort=place&limit=2&after=${first.next}`)).body;
    assert.deepEqual([second.items.length, second.next], [1, null]);
    assert.equal((await get(`/duplicates?event_id=${b.event_id}`)).body.items.length, 1);
    assert.equal((await get('/duplicates?source=redrive')).body.items.length, 0);
    assert.deepEqual((await get('/duplicates/sources')).body.items, [
      { source: 'foreign_client', within_a_minute: null, count: 3 },
    ]);
  });

  it('show the newest of all partitions first, page by time, and hide no redrive', async (t) => {
    const { pool, context, get } = await setUp(t);
    const [a, b] = [wireEvent(), wireEvent()];
    await processBatch(context, sliceOfEvents(0, [a, a, a]));
    await processBatch(context, sliceOfEvents(3, [b, b]));
    const other = await contextIn(pool, 2);
    await processBatch(other, sliceOfEvents(0, [b, b], 1));
    // A dead letter that was redriven last has an old offset.
    await pool.query(
      `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id, source, seen_at)
       VALUES (1, 0, 0, $1, 'redrive', now() + interval '1 s')`,
      [a.event_id],
    );
    const places = async (query: string) =>
      (await get(`/duplicates?${query}`)).body.items.map(({ place }: { place: string }) => place);
    const newest = await places('limit=9');
    assert.deepEqual(newest[0], '1/0/0');
    assert.deepEqual(newest.slice(1, 3), ['1/1/1', '1/1/0']);
    assert.deepEqual(newest.slice(3), ['1/0/4', '1/0/2', '1/0/1']);
    assert.deepEqual(await places('sort=oldest'), newest.toReversed());
    const paged: string[] = [];
    for (let after = ''; ; ) {
      const { items, next } = (await get(`/duplicates?limit=2${after}`)).body;
      paged.push(...items.map(({ place }: { place: string }) => place));
      if (next === null) break;
      after = `&after=${next}`;
    }
    assert.deepEqual(paged, newest);
    assert.deepEqual(await places('source=redrive'), ['1/0/0']);
    assert.deepEqual(await places(`event_id=${b.event_id}`), ['1/1/1', '1/1/0', '1/0/4']);
    assert.equal((await get('/duplicates?after=1/0/1')).status, 422);
  });

  it('refuse a filter that does not exist, instead of ignoring it', async (t) => {
    const { get } = await setUp(t);
    for (const url of ['/duplicates?event=1', '/conflicts?limit=0', '/dead-letters?state=lost']) {
      assert.equal((await get(url)).status, 422, url);
    }
  });
});

describe('Dead letters over HTTP', () => {
  it('list, filter, group, and show one with its exact bytes and its audit [G3]', async (t) => {
    const { get, parked } = await setUpParked(t);
    const all = (await get('/dead-letters?sort=place')).body.items;
    assert.deepEqual(
      all.map((item: Record<string, unknown>) => [item.place, item.state, item.reason]),
      [
        ['1/0/1', 'parked', 'refused_by_database'],
        ['1/0/2', 'waiting', 'order_held'],
        ['1/0/3', 'parked', 'invalid_event'],
      ],
    );
    const ofOrder = `/dead-letters?state=parked&order_id=${parked.order_id}`;
    assert.equal((await get(ofOrder)).body.items.length, 1);
    const { items } = (await get('/dead-letters/groups')).body;
    assert.deepEqual(items[0].count, 1);
    const { body } = await get('/dead-letters/1/0/3');
    assert.equal(Buffer.from(body.value_base64, 'base64').toString(), 'garbage\u0000');
    assert.deepEqual(body.audit, []);
    assert.equal((await get('/dead-letters/1/0/9')).status, 404);
    assert.equal((await get('/dead-letters/1/0/x')).status, 422);
  });

  it('redrive one, in order, with who asked in the audit [G2] [G5]', async (t) => {
    const { get, post, fix } = await setUpParked(t);
    assert.deepEqual((await post('/dead-letters/1/0/1/redrive')).body.results[0].outcome, 'failed');
    await fix();
    assert.equal((await post('/dead-letters/1/0/2/redrive')).body.results[0].outcome, 'behind');
    const actor = { 'orderonce-actor': 'ann' };
    const { body } = await post('/dead-letters/1/0/1/redrive', undefined, actor);
    assert.deepEqual(body.results, [
      { place: '1/0/1', outcome: 'stored' },
      { place: '1/0/2', outcome: 'stored' },
    ]);
    const gone = (await get('/dead-letters/1/0/1')).body;
    assert.equal(gone.state, 'gone');
    assert.deepEqual(
      gone.audit.map((entry: Record<string, unknown>) => [entry.actor, entry.outcome]),
      [
        ['http 127.0.0.1', 'failed'],
        ['ann (http 127.0.0.1)', 'stored'],
      ],
    );
  });

  it('redrive many, edit, discard; each says what is missing', async (t) => {
    const { post, parked, fix } = await setUpParked(t);
    assert.equal((await post('/dead-letters/redrive')).status, 422);
    const failed = await post('/dead-letters/redrive?reason=refused_by_database');
    assert.deepEqual(
      failed.body.results.map((r: { outcome: string }) => r.outcome),
      ['failed'],
    );
    assert.equal((await post('/dead-letters/1/0/3/discard', {})).status, 422);
    const latin1 = Buffer.from('{"reason":"Zo\xeb"}', 'latin1');
    assert.equal((await post('/dead-letters/1/0/3/discard', latin1)).status, 422);
    assert.equal((await post('/dead-letters/1/0/9/discard', { reason: 'x' })).status, 404);
    assert.equal((await post('/dead-letters/1/0/3/discard', { reason: 'x' })).status, 200);
    const wrong = await post('/dead-letters/1/0/1/edit', { ...parked, total_amount: 0 });
    assert.deepEqual([wrong.status, wrong.body.detail[0].type], [422, 'greater_than']);
    const edited = await post('/dead-letters/1/0/1/edit', { ...parked, total_amount: 6 });
    assert.deepEqual(
      edited.body.results.map((r: { outcome: string }) => r.outcome),
      ['stored', 'stored'],
    );
    await fix();
    const rest = await post('/dead-letters/redrive?all=true');
    assert.deepEqual(rest.body, { results: [], next: null });
  });

  it('changes nothing for pages of other origins, other names, proxies, or plain forms', async (t) => {
    const { pool, post } = await setUpParked(t);
    const refused = [
      { origin: 'http://evil.example' },
      { host: 'evil.example' },
      { 'x-forwarded-for': '10.0.0.1' },
    ];
    for (const headers of refused) {
      const { status } = await post(
        '/dead-letters/1/0/3/discard',
        { reason: 'x' },
        headers as never,
      );
      assert.equal(status, 403, JSON.stringify(headers));
    }
    const { rows } = await pool.query('SELECT count(*) AS n FROM dead_letter_audit');
    assert.equal(rows[0].n, 0);
  });
});
