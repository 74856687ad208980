/** What the client makes of each answer and each end, in front of the real API or a server that fails. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { BAD_USER, FailingApi, type Fault } from '../../test/support/failing-api.ts';
import { startIngest } from '../../test/support/ingest.ts';
import { until } from '../../test/support/until.ts';
import {
  type Client,
  type ClientOptions,
  createClient,
  type NewEvent,
  Rejected,
  type SendManyOptions,
  Unauthorized,
  Unavailable,
  Unknown,
  type Verdict,
} from './index.ts';

const QUICK = { deadlineMs: 5000, backoff: { firstMs: 1, mostMs: 5 } };

async function failing(t: TestContext, faults: Fault[], options: Partial<ClientOptions> = {}) {
  const api = await FailingApi.start(faults);
  t.after(() => api.stop());
  return { api, client: createClient({ url: api.url, ...QUICK, ...options }) };
}

/** A server that answers each request with this. */
async function answering(
  t: TestContext,
  answer: { status: number; body?: string; headers?: Record<string, string> },
  options: Partial<ClientOptions> = {},
) {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    request.resume();
    request.on('end', () => {
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { paths, client: createClient({ url, ...QUICK, ...options }) };
}

const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail('It did not reject'),
    (error: unknown) => error,
  );

/** All verdicts, and the error at the end if there was one. */
async function collect(
  client: Client,
  source: Parameters<Client['sendMany']>[0],
  options: SendManyOptions = {},
) {
  const verdicts: Verdict[] = [];
  try {
    for await (const verdict of client.sendMany(source, options)) verdicts.push(verdict);
  } catch (error) {
    return { verdicts, error };
  }
  return { verdicts, error: null };
}
const statusesOf = (verdicts: readonly Verdict[]) => verdicts.map(({ status }) => status);

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

describe('status', () => {
  it('throws Rejected, Unauthorized, or Unavailable where the answer is not that of the API', async (t) => {
    for (const [status, One] of [
      [422, Rejected],
      [401, Unauthorized],
      [404, Unavailable],
      [503, Unavailable],
    ] as const) {
      const headers = { 'retry-after': '3600' };
      const { client } = await answering(t, { status, headers, body: '{"detail":"Not Found"}' });
      const error = await rejectionOf(client.status('x'));
      assert.ok(error instanceof One, `${status}: ${error}`);
    }
  });
});

describe('createClient', () => {
  it('refuses what no request could use', () => {
    for (const url of ['', 'localhost', 'ftp://x', 'http://user:password@x']) {
      assert.throws(() => createClient({ url }), TypeError, url);
    }
    assert.throws(() => createClient({ url: 'http://x', apiKey: 'two\nlines' }), TypeError);
  });
});

describe('The files of the client', () => {
  it('import nothing but one another, and use no global of Node alone', () => {
    const folder = new URL('.', import.meta.url);
    const files = readdirSync(folder).filter((name) => !name.endsWith('.test.ts'));
    assert.ok(files.includes('index.ts'));
    for (const file of files) {
      const source = readFileSync(new URL(file, folder), 'utf8');
      for (const [, from] of source.matchAll(/\bfrom '([^']+)'|\bimport\('/g)) {
        assert.match(from ?? 'a dynamic import', /^\.\/[\w-]+\.ts$/, file);
      }
      const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      assert.doesNotMatch(code, /\b(process|Buffer|setImmediate|require|__dirname|NodeJS)\b/, file);
    }
  });
});
