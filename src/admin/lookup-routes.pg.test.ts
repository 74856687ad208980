import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, type WireEvent, wireEvent } from '../../test/support/events.ts';
import { processAll } from '../../test/support/heart.ts';
import { poison, setUpLetters } from '../../test/support/letters.ts';
import { serve } from '../../test/support/serve.ts';
import { discard } from '../dead-letters/redrive.ts';
import { logRecord } from '../log/log-record.ts';
import { messageIdOf } from '../log/message.ts';
import { RequestIds, requestIdHeader } from '../log/request-id.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { addEventRoutes } from './event-routes.ts';
import { EventWaiters } from './event-waiters.ts';
import { addLookupRoutes } from './lookup-routes.ts';
import { addOrderRoutes } from './order-routes.ts';

async function setUp(t: TestContext) {
  const parts = await setUpLetters(t);
  const { pool } = parts;
  const log = new Map<number, string>();
  const http = await serve(t, (app) => {
    const { rules } = USUAL_MODEL;
    addEventRoutes(app, pool, new EventWaiters(pool), rules);
    addOrderRoutes(app, pool, USUAL_MODEL);
    addLookupRoutes(
      app,
      pool,
      {
        ...{ db: pool, topic: 'order_events', rules },
        eventIdAt: async (_, offset) => log.get(offset) ?? null,
      },
      async (eventId) => [messageIdOf({ eventId, handler: 'ledger', n: 0 })],
    );
  });
  return { ...parts, ...http, log };
}

/** The same slice, as if each record had come with a request of its own. */
function withRequests(events: WireEvent[], from = 0, ids = new RequestIds()) {
  const slice = sliceOfEvents(from, events);
  const requests = events.map(() => ids.next());
  const records = slice.records.map((record, index) =>
    logRecord({ ...record, headers: [requestIdHeader(requests[index] as string)] }),
  );
  return { slice: { ...slice, records }, requests };
}

const whats = (body: { entries: { what: string }[] }) => body.entries.map(({ what }) => what);

describe('GET /events/{event_id}/history', () => {
  it('tells the way of a stored event, its repeats and its messages, in order', async (t) => {
    const { pool, context, get } = await setUp(t);
    const event = wireEvent();
    const { slice, requests } = withRequests([event, event, { ...event, user_id: 'other' }]);
    await processAll(context, slice);
    const messageId = messageIdOf({ eventId: event.event_id, handler: 'ledger', n: 0 });
    await pool.query(
      `INSERT INTO outbox (message_id, shard, topic, key, headers, event_id, handler, n, published_at,
         published_partition, published_offset)
       VALUES ($1, 0, 'charges', '', '{}', $2, 'ledger', 0, now() + interval '1 s', 2, 9)`,
      [messageId, event.event_id],
    );
    const { body } = await get(`/events/${event.event_id}/history`);
    assert.equal(body.status, 'stored');
    assert.deepEqual(whats(body), [
      ...['requested', 'appended', 'stored', 'duplicate', 'conflict', 'emitted', 'published'],
    ]);
    const [requested, appended] = body.entries;
    assert.equal(requested.detail.request_id, requests[0]);
    assert.ok(Math.abs(Date.parse(requested.at) - Date.now()) < 60_000, requested.at);
    assert.equal(appended.place, '1/0/0');
    assert.equal(body.is_complete, true);
  });

  it('tells what operators did to a dead letter, and what holds one that waits', async (t) => {
    const { context, state, outcomes, get, redriving, place } = await setUp(t);
    const order_id = randomUUID();
    const [first, second] = [poison(order_id), wireEvent({ order_id })];
    const given = poison();
    await processAll(context, sliceOfEvents(0, [first, second, given]));
    const waiting = (await get(`/events/${second.event_id}/history`)).body;
    assert.deepEqual([waiting.status, waiting.held_behind], ['waiting', '1/0/0']);
    await outcomes(0);
    state.isFixed = true;
    await outcomes(0);
    const stored = (await get(`/events/${first.event_id}/history`)).body;
    assert.deepEqual(whats(stored), ['appended', 'redrive', 'stored', 'redrive']);
    assert.match(stored.entries[1].text, /^test redrove it: failed$/);
    await discard({ ...redriving, actor: 'ann' }, place(2), 'a test');
    const discarded = (await get(`/events/${given.event_id}/history`)).body;
    assert.deepEqual(whats(discarded), ['appended', 'discarded', 'discard']);
    assert.equal(discarded.entries[2].detail.message, 'a test');
  });

  it('answers 404 for an event that nothing knows, and 422 for what is no id', async (t) => {
    const { get } = await setUp(t);
    assert.equal((await get(`/events/${randomUUID()}/history`)).status, 404);
    assert.equal((await get('/events/x/history')).status, 422);
  });
});

describe('GET /find', () => {
  it('finds events, orders whose events are all parked, messages, and what a request brought', async (t) => {
    const { pool, context, get } = await setUp(t);
    const [good, bad] = [wireEvent(), poison()];
    const { slice, requests } = withRequests([good, good, bad]);
    await processAll(context, slice);
    const find = async (q: string) => {
      const { body } = await get(`/find?q=${encodeURIComponent(q)}`);
      return body.items.map((item: Record<string, string>) => `${item.kind} ${item.state}`);
    };
    assert.deepEqual(await find(good.event_id.toUpperCase()), ['event stored']);
    assert.deepEqual(await find(good.order_id), ['order stored']);
    assert.deepEqual(await find(bad.event_id), ['event parked']);
    assert.deepEqual(await find(bad.order_id), ['order held']);
    assert.deepEqual(await find(requests[0] as string), ['event stored']);
    assert.deepEqual(await find(requests[1] as string), ['duplicate null']);
    assert.deepEqual(await find(requests[2] as string), ['dead_letter parked']);
    const messageId = randomUUID();
    await pool.query(
      `INSERT INTO outbox (message_id, shard, topic, key, headers, event_id, handler, n)
       VALUES ($1, 0, 'charges', '', '{}', $2, 'ledger', 0)`,
      [messageId, good.event_id],
    );
    assert.deepEqual(await find(messageId), ['message pending']);
  });

  it('finds places in each spelling: the dead letter, the repeat, or the stored event', async (t) => {
    const { context, get, log, state, outcomes } = await setUp(t);
    const good = wireEvent();
    await processAll(context, sliceOfEvents(0, [good, good, poison()]));
    const find = async (q: string) => {
      const { status, body } = await get(`/find?q=${encodeURIComponent(q)}`);
      return status === 422 ? 422 : (body.items[0]?.kind ?? body.hint);
    };
    for (const prefix of ['1/', 'order_events/', '']) {
      assert.equal(await find(`${prefix}0/1`), 'duplicate');
      assert.equal(await find(` ${prefix}0/2`), 'dead_letter');
    }
    // Stored events have no index by place: the log says which event it is.
    assert.match(await find('0/0'), /no duplicate, conflict or dead letter/);
    log.set(0, good.event_id);
    assert.equal(await find('0/0'), 'event');
    log.set(0, randomUUID());
    assert.match(await find('0/0'), /no duplicate/);
    assert.match(await find('0/3'), /not been processed yet/);
    assert.match(await find('9/9'), /No partition 9 of order_events/);
    assert.match(await find('other/0/0'), /No partition 0 of other/);
    // A dead letter that is gone has its audit.
    state.isFixed = true;
    await outcomes(2);
    assert.equal(await find('0/2'), 'dead_letter');
    for (const q of ['x', '0/', '/0/0', '0/-1', '0/1e3', '1/2/3/x', '99999999999/1']) {
      assert.equal(await find(q), 422, q);
    }
    assert.equal((await get('/find')).status, 422);
    assert.equal((await get(`/find?q=${'1'.repeat(201)}`)).status, 422);
  });

  it('says what it can mean that nothing is found', async (t) => {
    const { pool, get } = await setUp(t);
    assert.match((await get(`/find?q=${randomUUID()}`)).body.hint, /^Nothing has this id\./);
    const request = new RequestIds().next();
    assert.match((await get(`/find?q=${request}`)).body.hint, /within 10 minutes/);
    // In a table with many rows, the migration leaves the index to an administrator.
    await pool.query('DROP INDEX duplicates_seen_at');
    const { hint } = (await get(`/find?q=${request}`)).body;
    const statement = /run: (CREATE INDEX CONCURRENTLY .*)$/.exec(hint)?.[1] as string;
    // This pool runs each statement in a transaction, in which that form is not allowed.
    await pool.query(statement.replace(' CONCURRENTLY', ''));
    assert.match((await get(`/find?q=${request}`)).body.hint, /within 10 minutes/);
  });
});

describe('GET /orders/{order_id}', () => {
  it('says what holds the order, also when nothing of it is stored', async (t) => {
    const { context, get, state, outcomes, redriving, place } = await setUp(t);
    const order_id = randomUUID();
    await processAll(
      context,
      sliceOfEvents(0, [poison(order_id), wireEvent({ order_id }), wireEvent()]),
    );
    const held = (await get(`/orders/${order_id}`)).body;
    assert.deepEqual([held.event_count, held.amount_sum, held.user_id], [0, '0', null]);
    assert.deepEqual(
      [held.held.by.place, held.held.by.reason, held.held.parked, held.held.waiting],
      ['1/0/0', 'refused_by_handler', 1, 1],
    );
    state.isFixed = true;
    await outcomes(0);
    const stored = (await get(`/orders/${order_id}`)).body;
    assert.deepEqual([stored.event_count, stored.held, stored.discarded], [2, null, 0]);
    state.isFixed = false;
    const other = poison();
    await processAll(context, sliceOfEvents(3, [other]));
    await discard({ ...redriving, actor: 'ann' }, place(3), 'a test');
    const given = (await get(`/orders/${other.order_id}`)).body;
    assert.deepEqual([given.event_count, given.held, given.discarded], [0, null, 1]);
    assert.equal((await get(`/orders/${randomUUID()}`)).status, 404);
  });
});
