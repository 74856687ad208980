/** What `send` makes of each answer, in front of the real API or a server that fails. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answering, failing, QUICK, rejectionOf } from '../../test/support/client-answers.ts';
import { wireEvent } from '../../test/support/events.ts';
import { startIngest } from '../../test/support/ingest.ts';
import { until } from '../../test/support/until.ts';
import { createClient, Rejected, Unauthorized, Unknown } from './index.ts';

describe('send', () => {
  it('gives the receipt of the real API', async (t) => {
    const { url, log } = await startIngest(t);
    const { event_id: _, ...event } = wireEvent();
    const receipt = await createClient({ url: `${url}/`, ...QUICK }).send(event);
    const { request_id, location, partition, ...place } = receipt;
    assert.deepEqual(place, {
      event_id: receipt.event_id,
      topic: 'order_events',
      offset: 0,
    });
    assert.match(location ?? '', new RegExp(`/events/${receipt.event_id}$`));
    assert.ok(request_id);
    assert.ok(Number.isInteger(partition));
    assert.equal(log.appended.length, 1);
  });

  it('rejects with the detail of the real API, after one attempt', async (t) => {
    const { url } = await startIngest(t);
    const error = await rejectionOf(createClient({ url }).send(wireEvent({ user_id: '' })));
    assert.ok(error instanceof Rejected);
    assert.deepEqual([error.status, error.attempts, error.mayHaveBeenAccepted], [422, 1, false]);
    assert.match(JSON.stringify(error.detail), /string_too_short/);
    const long = await rejectionOf(
      createClient({ url }).send({ ...wireEvent(), user_id: 'x'.repeat(70_000) }),
    );
    assert.ok(long instanceof Rejected && long.status === 413);
  });

  it('gives up at the deadline with the event, which takes the same bytes when sent again', async (t) => {
    const { api, client } = await failing(t, ['hang after'], { attemptTimeoutMs: 500 });
    const { event_id: _, ...event } = wireEvent();
    const error = await rejectionOf(client.send(event, { deadlineMs: 500 }));
    assert.ok(error instanceof Unknown && error.event !== null);
    assert.equal(error.mayHaveBeenAccepted, true);
    assert.match(error.message, /deadline.*No answer within 500 ms/);
    const { event_id: id } = await client.send(error.event);
    assert.equal(id, error.event.event_id);
    assert.equal(new Set(api.log.map(({ text }) => text)).size, 1);
    assert.equal(api.log.length, 2);
  });

  it('says that nothing was accepted where only refusals came', async (t) => {
    const headers = { 'retry-after': '3600', 'orderonce-request-id': 'r1' };
    const { client } = await answering(t, { status: 503, headers });
    const error = await rejectionOf(client.send(wireEvent()));
    assert.ok(error instanceof Unknown);
    assert.deepEqual([error.mayHaveBeenAccepted, error.status], [false, 503]);
  });

  it('waits as long as Retry-After says, and gives up immediately where that is past the deadline', async (t) => {
    const headers = { 'retry-after': '3600' };
    const { paths, client } = await answering(t, { status: 429, headers });
    const error = await rejectionOf(client.send(wireEvent()));
    assert.ok(error instanceof Unknown);
    assert.deepEqual(paths, ['/events']);
  });

  it('rejects with Unknown when the signal aborts, during an attempt or before the first', async (t) => {
    const { api, client } = await failing(t, ['hang before']);
    const abort = new AbortController();
    const sending = rejectionOf(client.send(wireEvent(), { signal: abort.signal }));
    await until('the request is there', () => api.requests === 1);
    abort.abort(new Error('no time'));
    const error = await sending;
    assert.ok(error instanceof Unknown);
    assert.deepEqual([error.attempts, error.mayHaveBeenAccepted], [1, true]);
    assert.equal((error.cause as Error).message, 'no time');
    const before = await rejectionOf(client.send(wireEvent(), { signal: abort.signal }));
    assert.ok(before instanceof Unknown);
    assert.deepEqual([before.attempts, before.mayHaveBeenAccepted], [0, false]);
  });

  it('rejects with Unauthorized for 401 and 403, and remembers what was unknown before', async (t) => {
    for (const status of [401, 403]) {
      const { paths, client } = await answering(t, { status, body: '{"detail":"no"}' });
      const error = await rejectionOf(client.send(wireEvent()));
      assert.ok(error instanceof Unauthorized);
      assert.deepEqual([error.detail, error.mayHaveBeenAccepted, paths.length], ['no', false, 1]);
    }
    const { api, client } = await failing(t, ['500 after'], {
      fetch: async (input, init) =>
        api.requests === 0 ? fetch(input, init) : new Response('', { status: 401 }),
    });
    const error = await rejectionOf(client.send(wireEvent()));
    assert.ok(error instanceof Unauthorized && error.mayHaveBeenAccepted);
  });

  it('never takes a page of something else for a rejection: the event may be good', async (t) => {
    for (const status of [200, 302, 404]) {
      const headers = { location: 'http://127.0.0.1:9/' };
      const { client } = await answering(t, { status, body: '<html>', headers });
      const error = await rejectionOf(client.send(wireEvent()));
      assert.ok(error instanceof Unknown);
      assert.match(error.message, /check the URL/);
    }
  });

  it('believes a 202 whose headers were removed', async (t) => {
    const { client } = await answering(t, { status: 202, body: '{"status":"accepted"}' });
    const event = wireEvent();
    assert.deepEqual(await client.send(event), {
      event_id: event.event_id,
      topic: null,
      partition: null,
      offset: null,
      request_id: null,
      location: null,
    });
  });
});
