import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { processBatch } from '../process/process-batch.ts';
import { createHttpServer } from '../runtime/http-server.ts';
import { createLogger } from '../runtime/logger.ts';
import { addQueryRoutes } from './query-routes.ts';

async function setUp(t: TestContext) {
  const { pool, context } = await setUpHeart(t, 1);
  const app = await createHttpServer({
    title: 'test',
    description: '',
    bodyBytesMax: 1024,
    requestTimeoutMs: 5000,
    logger: createLogger('silent'),
  });
  addQueryRoutes(app, pool);
  t.after(() => app.close());
  const get = async (url: string) => {
    const answer = await app.inject(url);
    return { status: answer.statusCode, body: answer.json() };
  };
  return { pool, context, get };
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
