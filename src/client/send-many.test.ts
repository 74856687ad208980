/** What `sendMany` makes of each answer and each end, in front of the real API or a server that fails. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  answering,
  collect,
  failing,
  QUICK,
  rejectionOf,
  statusesOf,
} from '../../test/support/client-answers.ts';
import { wireEvent } from '../../test/support/events.ts';
import { BAD_USER, type Fault } from '../../test/support/failing-api.ts';
import { startIngest } from '../../test/support/ingest.ts';
import { createClient, type NewEvent, Unauthorized, Unknown } from './index.ts';

describe('sendMany', () => {
  it('gives the verdicts of the real API', async (t) => {
    const { url, log } = await startIngest(t);
    const events: NewEvent[] = [wireEvent(), wireEvent({ user_id: '' }), wireEvent()];
    const { verdicts, error } = await collect(createClient({ url }), events);
    assert.equal(error, null);
    assert.deepEqual(statusesOf(verdicts), ['accepted', 'rejected', 'accepted']);
    assert.deepEqual(
      verdicts.map(({ event }) => event.event_id),
      events.map(({ event_id }) => event_id),
    );
    assert.equal(log.appended.length, 2);
  });

  it('yields unknown for what it has read when it gives up, then throws with these events', async (t) => {
    const { client } = await failing(t, ['none', 'cut before', ...Array<Fault>(5000).fill('503')]);
    const events = Array.from({ length: 8 }, () => wireEvent());
    const options = { batchMax: 2, deadlineMs: 1000 };
    const { verdicts, error } = await collect(client, events, options);
    assert.ok(error instanceof Unknown);
    assert.deepEqual(statusesOf(verdicts.slice(0, 3)), ['accepted', 'accepted', 'unknown']);
    const left = verdicts.filter(({ status }) => status === 'unknown');
    assert.deepEqual(
      error.events,
      left.map(({ event }) => event),
    );
    assert.equal(error.mayHaveBeenAccepted, true);
    const maybe = left.map((one) => one.status === 'unknown' && one.mayHaveBeenAccepted);
    assert.deepEqual(maybe, [true, true, ...left.slice(2).map(() => false)]);
  });

  it('throws Unauthorized, and Unknown for a request that is refused as a whole', async (t) => {
    for (const [status, One] of [
      [401, Unauthorized],
      [404, Unknown],
      [415, Unknown],
    ] as const) {
      const { paths, client } = await answering(t, { status, body: '{"detail":"no"}' });
      const { verdicts, error } = await collect(client, [wireEvent(), wireEvent()]);
      assert.ok(error instanceof One, String(error));
      assert.deepEqual(statusesOf(verdicts), ['unknown', 'unknown']);
      assert.equal(paths.length, 1);
    }
  });

  it('sends smaller batches after a 413, and rejects an event that alone is too large', async (t) => {
    const { url, log } = await startIngest(t);
    const client = createClient({
      url,
      ...QUICK,
      fetch: async (input, init) => {
        const body = init?.body as Uint8Array | undefined;
        const isTooLarge = (body?.length ?? 0) > 1000;
        return isTooLarge ? new Response('<html>', { status: 413 }) : await fetch(input, init);
      },
    });
    const events = Array.from({ length: 20 }, () => wireEvent());
    events.splice(5, 1, wireEvent({ user_id: 'x'.repeat(2000) }));
    const { verdicts, error } = await collect(client, events);
    assert.equal(error, null);
    const rejected = verdicts.filter(({ status }) => status === 'rejected');
    assert.deepEqual([verdicts.length, rejected.map(({ index }) => index)], [20, [5]]);
    assert.equal(log.appended.length, 19);
  });

  it('rejects what JSON cannot represent, and sends the others', async (t) => {
    const { client } = await failing(t, []);
    const odd = { ...wireEvent(), total_amount: 1n } as unknown as NewEvent;
    const { verdicts, error } = await collect(client, [wireEvent(), odd, wireEvent()]);
    assert.equal(error, null);
    assert.deepEqual(statusesOf(verdicts), ['accepted', 'rejected', 'accepted']);
    assert.deepEqual(statusesOf((await collect(client, [odd])).verdicts), ['rejected']);
    assert.deepEqual(await collect(client, []), { verdicts: [], error: null });
  });

  it('throws what the source throws, after the verdicts of the events before', async (t) => {
    const { client } = await failing(t, ['cut after']);
    for (const isAsync of [true, false]) {
      function* broken() {
        yield wireEvent();
        yield wireEvent({ user_id: BAD_USER });
        throw new Error('the cursor is gone');
      }
      async function* brokenLater() {
        yield* broken();
      }
      const { verdicts, error } = await collect(client, isAsync ? brokenLater() : broken());
      assert.deepEqual(statusesOf(verdicts), ['accepted', 'rejected']);
      assert.match(String(error), /the cursor is gone/);
    }
  });

  it('reads at most two batches ahead, only while it is asked, and closes the source', async (t) => {
    const { api, client } = await failing(t, []);
    let read = 0;
    let isClosed = false;
    function* endless() {
      try {
        for (;;) {
          read++;
          yield wireEvent();
        }
      } finally {
        isClosed = true;
      }
    }
    let given = 0;
    for await (const _ of client.sendMany(endless(), { batchMax: 10 })) {
      given++;
      assert.ok(read - given < 20, `${read} read, ${given} given`);
      if (given === 95) break;
    }
    assert.equal(isClosed, true);
    const { requests } = api;
    assert.ok(requests <= 11, `${requests} requests`);
  });

  it('sends the events of a stream that pauses without waiting for a full batch, and ends at an abort', async (t) => {
    const { api, client } = await failing(t, []);
    const abort = new AbortController();
    const resumed = Promise.withResolvers<void>();
    const verdicts = client.sendMany(pausing(), { signal: abort.signal });
    const accepted = async () => assert.equal((await verdicts.next()).value?.status, 'accepted');
    await accepted();
    await accepted();
    resumed.resolve();
    await accepted();
    const last = rejectionOf(verdicts.next());
    abort.abort();
    assert.ok((await last) instanceof Unknown);
    assert.equal(api.log.length, 3);
    async function* pausing() {
      yield wireEvent();
      yield wireEvent();
      await resumed.promise;
      yield wireEvent();
      await new Promise(() => {});
    }
  });

  it('does not count the time that the caller takes for verdicts towards the deadline', async (t) => {
    const { api, client } = await failing(t, ['some unknown']);
    const events = Array.from({ length: 9 }, () => wireEvent());
    let accepted = 0;
    for await (const { status } of client.sendMany(events, { deadlineMs: 1000 })) {
      if (accepted === 0) await new Promise((done) => setTimeout(done, 1200));
      if (status === 'accepted') accepted++;
    }
    assert.deepEqual([accepted, api.requests], [9, 2]);
  });

  it('does not fail when the signal aborts after the last event', async (t) => {
    const { client } = await failing(t, []);
    const abort = new AbortController();
    const statuses: string[] = [];
    for await (const { status } of client.sendMany([wireEvent()], { signal: abort.signal })) {
      statuses.push(status);
      abort.abort();
    }
    assert.deepEqual(statuses, ['accepted']);
  });

  it('refuses limits with which nothing would ever be sent', async (t) => {
    const { client } = await failing(t, []);
    for (const batchMax of [0, -1, Number.NaN]) {
      assert.ok((await collect(client, [wireEvent()], { batchMax })).error instanceof RangeError);
    }
  });
});
