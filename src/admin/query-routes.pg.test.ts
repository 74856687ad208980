import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { serve } from '../../test/support/serve.ts';
import { until } from '../../test/support/until.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { addEventRoutes } from './event-routes.ts';
import { EventWaiters } from './event-waiters.ts';
import { addOrderRoutes } from './order-routes.ts';

async function setUp(t: TestContext) {
  const { pool, context } = await setUpHeart(t, 1);
  const waiters = new EventWaiters(pool);
  const { get } = await serve(t, (app) => {
    addEventRoutes(app, pool, waiters, UNDECLARED);
    addOrderRoutes(app, pool, USUAL_MODEL);
  });
  return { pool, context, waiters, get };
}

describe('GET /events/{event_id}', () => {
  it('shows payload, position, and counts of duplicates and conflicts; amounts exact', async (t) => {
    const { context, get } = await setUp(t);
    const event = wireEvent({ total_amount: '99999999999999.9999' });
    await processBatch(context, sliceOfEvents(0, [event, event, { ...event, user_id: 'x' }]));
    const { status, body } = await get(`/events/${event.event_id.toUpperCase()}`);
    assert.equal(status, 200);
    const { digest, processed_at, position, ...rest } = body;
    assert.deepEqual(rest, {
      event_id: event.event_id,
      status: 'stored',
      order_id: event.order_id,
      user_id: 'user-1',
      total_amount: '99999999999999.9999',
      timestamp: '2026-01-02T03:04:05.000000Z',
      request_id: null,
      duplicates: 1,
      conflicts: 1,
    });
    assert.deepEqual(position, { topic: 'order_events', log_id: 1, partition: 0, offset: 0 });
    assert.match(digest, /^[0-9a-f]{64}$/);
    assert.match(processed_at, /^\d{4}-.*Z$/);
  });

  it('shows what is parked, and what waits behind it', async (t) => {
    const { pool, context, get } = await setUp(t);
    await pool.query('ALTER TABLE processed_events ADD CHECK (total_amount <> 666)');
    const poison = wireEvent({ total_amount: '666' });
    const behind = wireEvent({ order_id: poison.order_id });
    await processBatch(context, sliceOfEvents(0, [poison, behind]));
    const parked = (await get(`/events/${poison.event_id}`)).body;
    assert.deepEqual(
      [parked.status, parked.reason, parked.sqlstate],
      ['parked', 'refused_by_database', '23514'],
    );
    assert.equal((await get(`/events/${behind.event_id}`)).body.status, 'waiting');
  });

  it('answers 404 while unknown, 422 where it is no UUID', async (t) => {
    const { get } = await setUp(t);
    const unknown = await get(`/events/${crypto.randomUUID()}`);
    assert.deepEqual([unknown.status, typeof unknown.body.detail], [404, 'string']);
    const wrong = await get('/events/7');
    assert.equal(wrong.status, 422);
    assert.deepEqual(wrong.body.detail[0].loc, ['path', 'event_id']);
  });
});

describe('GET /orders/{order_id}', () => {
  it('shows sums over all events of the order, as exact strings', async (t) => {
    const { context, get } = await setUp(t);
    const first = wireEvent({ total_amount: '99999999999999.9999' });
    const last = wireEvent({ order_id: first.order_id, total_amount: '0.0001', user_id: 'u2' });
    await processBatch(context, sliceOfEvents(0, [first, last]));
    const { body } = await get(`/orders/${first.order_id}`);
    assert.deepEqual(
      [body.event_count, body.amount_sum, body.total_amount, body.user_id, body.last_event_id],
      [2, '100000000000000.0000', '0.0001', 'u2', last.event_id],
    );
  });
});

describe('?wait=', () => {
  it('answers as soon as the event is known, whoever committed it', async (t) => {
    const { context, waiters, get } = await setUp(t);
    const [own, other] = [wireEvent(), wireEvent()];
    const asked = [own, other].map(({ event_id }) => get(`/events/${event_id}?wait=30`));
    await until('both wait', () => waiters.size === 2);
    await processBatch(context, sliceOfEvents(0, [own]));
    waiters.notify();
    assert.equal((await asked[0])?.status, 200);
    // The second is stored by another process, so nobody calls notify().
    await processBatch(context, sliceOfEvents(1, [other]));
    assert.equal((await asked[1])?.body.status, 'stored');
    assert.equal(waiters.size, 0);
  });

  it('many waiters cost one statement at a time, not one each', async (t) => {
    const { pool, context, waiters, get } = await setUp(t);
    const events = Array.from({ length: 200 }, () => wireEvent());
    const asked = events.map(({ event_id }) => get(`/events/${event_id}?wait=30`));
    await until('all wait', () => waiters.size === events.length);
    let statements = 0;
    pool.on('acquire', () => statements++);
    await processBatch(context, sliceOfEvents(0, events));
    for (let i = 0; i < 50; i++) waiters.notify();
    const answers = await Promise.all(asked);
    assert.ok(answers.every(({ status }) => status === 200));
    // One statement per answer, which reads the event, and a few for all waiting requests together.
    assert.ok(statements < events.length + 20, `${statements} statements`);
  });

  it('answers 404 when the time is over, and when the service stops', async (t) => {
    const { waiters, get } = await setUp(t);
    assert.equal((await get(`/events/${crypto.randomUUID()}?wait=1`)).status, 404);
    const asked = get(`/events/${crypto.randomUUID()}?wait=30`);
    await until('it waits', () => waiters.size === 1);
    waiters.stop();
    const { status, body } = await asked;
    assert.deepEqual([status, /may still be in the log/.test(body.detail)], [404, true]);
  });

  it('refuses what is no number of seconds, and what it does not know', async (t) => {
    const { get } = await setUp(t);
    for (const query of ['wait=-1', 'wait=31', 'wait=1e1', 'wait=1&wait=2', 'wiat=5']) {
      const { status, body } = await get(`/events/${crypto.randomUUID()}?${query}`);
      assert.deepEqual([status, body.detail[0].loc[0]], [422, 'query'], query);
    }
  });
});

describe('GET /orders/{order_id}/events', () => {
  it('pages through all stored events of the order in log order', async (t) => {
    const { context, get } = await setUp(t);
    const order_id = crypto.randomUUID();
    const events = Array.from({ length: 7 }, () => wireEvent({ order_id }));
    await processBatch(context, sliceOfEvents(0, [wireEvent(), ...events]));
    const seen: string[] = [];
    let after = '';
    for (let pages = 0; pages < 10; pages++) {
      const { body } = await get(`/orders/${order_id}/events?limit=3${after}`);
      seen.push(...body.items.map((item: { event_id: string }) => item.event_id));
      if (body.next === null) break;
      after = `&after=${body.next}`;
    }
    assert.deepEqual(
      seen,
      events.map(({ event_id }) => event_id),
    );
    const { body } = await get(`/orders/${order_id}`);
    assert.deepEqual([body.event_count, body.events.length, body.next], [7, 7, null]);
  });
});
