/** The ingest API over real HTTP, in front of a log that the test controls. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { FakeLog } from '../../test/support/fake-log.ts';
import { parseAnswer, sendRaw } from '../../test/support/http.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { EVENT_BYTES_MAX } from '../event/parse-event.ts';
import { createLogger } from '../runtime/logger.ts';
import { startProducer } from './producer-service.ts';

async function setUp(t: TestContext, env: Record<string, string> = {}, topic = 'order_events') {
  const log = new FakeLog(topic);
  log.isAutomatic = true;
  const service = await startProducer(testSettings(env), log, createLogger('silent'));
  t.after(() => service.stop());
  const url = `http://127.0.0.1:${service.port}`;
  const post = (body: string | object, headers: Record<string, string> = {}) =>
    fetch(`${url}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return { log, service, url, post };
}

type Detail = { detail: unknown };
const detailOf = async (answer: Response) => ((await answer.json()) as Detail).detail;

describe('POST /events', () => {
  it('answers 202 with the receipt, and where the status can be read', async (t) => {
    const { post } = await setUp(t, { STATUS_BASE_URL: 'https://日本.example/' });
    const event = wireEvent();
    const answer = await post(event);
    assert.equal(answer.status, 202);
    assert.equal(await answer.text(), `{"status":"accepted","event_id":"${event.event_id}"}`);
    const headers = ['location', 'orderonce-topic', 'orderonce-partition', 'orderonce-offset'];
    assert.deepEqual(
      headers.map((name) => answer.headers.get(name)),
      [`https://xn--wgv71a.example/events/${event.event_id}`, 'order_events', '3', '0'],
    );
  });

  it('answers 202 only once the log has acknowledged [G1]', async (t) => {
    const { log, post } = await setUp(t);
    log.isAutomatic = false;
    let isAnswered = false;
    const answering = post(wireEvent()).finally(() => {
      isAnswered = true;
    });
    await until('the append is under way', () => log.pending.length === 1);
    assert.equal(isAnswered, false);
    log.pending[0]?.acknowledge();
    assert.equal((await answering).status, 202);
  });

  it('answers 422 with all errors at once, in the FastAPI shape, and appends nothing', async (t) => {
    const { log, post } = await setUp(t);
    const answer = await post('{"event_id":"x","order_id":7,"total_amount":-1,"more":true}');
    assert.equal(answer.status, 422);
    assert.deepEqual(await detailOf(answer), [
      {
        type: 'uuid_parsing',
        loc: ['body', 'event_id'],
        msg: 'Input should be a valid UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx',
        input: 'x',
      },
      {
        type: 'uuid_type',
        loc: ['body', 'order_id'],
        msg: 'UUID input should be a string',
        input: 7,
      },
      {
        type: 'greater_than',
        loc: ['body', 'total_amount'],
        msg: 'Input should be greater than 0',
        input: -1,
        ctx: { gt: 0 },
      },
      {
        type: 'extra_forbidden',
        loc: ['body', 'more'],
        msg: 'Extra inputs are not permitted',
        input: true,
      },
      ...['user_id', 'timestamp'].map((name) => ({
        type: 'missing',
        loc: ['body', name],
        msg: 'Field required',
        input: { event_id: 'x', order_id: 7, total_amount: -1, more: true },
      })),
    ]);
    assert.deepEqual(log.appended, []);
  });

  it('answers 500 within the deadline when the log hangs, and recovers [G9]', async (t) => {
    const { log, post } = await setUp(t, { DELIVERY_DEADLINE_MS: '300' });
    log.isAutomatic = false;
    const answer = await post(wireEvent());
    assert.equal(answer.status, 500);
    assert.equal(await detailOf(answer), 'Internal Server Error');
    assert.equal(log.appended.length, 1);
    // Known beforehand now: answered at once, and never appended.
    assert.equal((await post(wireEvent())).status, 500);
    log.isAutomatic = true;
    log.pending[0]?.acknowledge();
    assert.equal((await post(wireEvent())).status, 202);
    assert.equal(log.appended.length, 2);
  });

  it('answers 500 when the log fails', async (t) => {
    const { log, post } = await setUp(t);
    log.isAutomatic = false;
    const answering = post(wireEvent());
    await until('the append is under way', () => log.pending.length === 1);
    log.pending[0]?.fail(new Error('secret broker address'));
    assert.equal(await detailOf(await answering), 'Internal Server Error');
  });

  it('answers 503 with Retry-After when its queue is full [G10]', async (t) => {
    const { log, post } = await setUp(t, { APPEND_QUEUE_MAX: '1' });
    log.isAutomatic = false;
    const first = post(wireEvent());
    await until('the append is under way', () => log.pending.length === 1);
    const answer = await post(wireEvent());
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.match(String(await detailOf(answer)), /wait for the log/);
    log.pending[0]?.acknowledge();
    assert.equal((await first).status, 202);
  });
});

describe('Every error is JSON with detail, and nothing is appended', () => {
  const valid = JSON.stringify(wireEvent());
  const head = (lines: string) => `POST /events HTTP/1.1\r\nHost: x\r\n${lines}\r\n\r\n`;
  const json = `Content-Type: application/json\r\nContent-Length: ${valid.length}`;
  const cases: Record<string, [status: number, ...pieces: string[]]> = {
    'no HTTP at all': [400, 'hello\r\n\r\n'],
    'two framings at once': [400, `${head(`${json}\r\nTransfer-Encoding: chunked`)}${valid}`],
    'a bare CR in a header': [400, head('X: a\rb')],
    'a space before the colon': [400, head('Content-Length : 3')],
    'no Host': [400, 'GET /health HTTP/1.1\r\n\r\n'],
    'headers that are too large': [431, head(`X: ${'x'.repeat(20_000)}`)],
    'an unknown expectation': [417, head(`Expect: miracles\r\n${json}`)],
    'a bad escape in the path': [400, 'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
  };
  for (const [title, [status, ...pieces]] of Object.entries(cases)) {
    it(`${status} for ${title}`, async (t) => {
      const { log, service } = await setUp(t);
      const answer = parseAnswer(await sendRaw(service.port, ...pieces));
      assert.equal(answer.status, status);
      assert.equal(typeof answer.body.detail, 'string');
      assert.deepEqual(log.appended, []);
    });
  }

  it('413 for a body over the limit, also when it hides its length', async (t) => {
    const { log, url, post } = await setUp(t);
    const body = ' '.repeat(EVENT_BYTES_MAX + 1);
    assert.equal((await post(body)).status, 413);
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(body));
        controller.close();
      },
    });
    const headers = { 'content-type': 'application/json' };
    const options = { method: 'POST', headers, body: stream, duplex: 'half' };
    const answer = await fetch(`${url}/events`, options as RequestInit);
    assert.equal(answer.status, 413);
    assert.equal(typeof (await detailOf(answer)), 'string');
    assert.deepEqual(log.appended, []);
  });

  it('415 for another content type, tricks with it, and any encoding', async (t) => {
    const { log, post } = await setUp(t);
    for (const type of [
      'text/plain',
      'application/jsonx',
      'application/json\tx',
      'application/json; charset=utf-16',
      'text/html',
    ]) {
      const answer = await post(valid, { 'content-type': type });
      assert.equal(answer.status, 415, type);
      assert.equal(typeof (await detailOf(answer)), 'string');
    }
    for (const type of ['application/json; charset=UTF-8', 'Application/JSON']) {
      const answer = await post('{', { 'content-type': type, 'content-encoding': 'Identity' });
      assert.equal(answer.status, 422, type);
    }
    for (const encoding of ['gzip', 'br', 'deflate', 'identity, gzip']) {
      const answer = await post(valid, { 'content-encoding': encoding });
      assert.equal(answer.status, 415, encoding);
    }
    assert.deepEqual(log.appended, []);
  });

  it('404 for an unknown path, 405 with Allow for another method', async (t) => {
    const { url } = await setUp(t);
    for (const method of ['GET', 'POST']) {
      const unknown = await fetch(`${url}/nowhere`, { method });
      assert.deepEqual([unknown.status, await detailOf(unknown)], [404, 'Not Found']);
    }
    const others = { '/events': 'POST', '/events/x': 'GET, HEAD', '/health/live': 'GET, HEAD' };
    for (const [path, allow] of Object.entries(others)) {
      for (const method of ['DELETE', 'PROPFIND']) {
        const answer = await fetch(`${url}${path}`, { method });
        assert.equal(answer.status, 405);
        assert.equal(answer.headers.get('allow'), allow);
        assert.equal(await detailOf(answer), 'Method Not Allowed');
      }
    }
  });

  it('and never takes the place of an earlier answer on the connection [G1]', async (t) => {
    const { log, service } = await setUp(t);
    const event = `${head(json)}${valid}`;
    const broken = {
      xyz: 400,
      '}': 400,
      'BAD\r\n\r\n': 400,
      [`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`]: 431,
      'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n': 405,
    };
    for (const [rest, status] of Object.entries(broken)) {
      log.isAutomatic = false;
      const answering = sendRaw(service.port, event + event + rest);
      await until('the append is under way', () => log.pending.length === 1);
      log.isAutomatic = true;
      log.pending[0]?.acknowledge();
      const statuses = [...(await answering).matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, s]) => s);
      assert.deepEqual(statuses.map(Number), [202, 202, status], rest.slice(0, 20));
    }
  });

  it('also where a header of the answer cannot be sent', async (t) => {
    const { post } = await setUp(t, {}, 'not\nallowed');
    const answer = await post(valid);
    assert.deepEqual([answer.status, await detailOf(answer)], [500, 'Internal Server Error']);
  });

  it('408 for a request that does not come to its end', async (t) => {
    const { log, service } = await setUp(t, { REQUEST_TIMEOUT_MS: '500' });
    const slow = sendRaw(service.port, 'POST /events HTTP/1.1\r\nHost: x\r\n');
    const slowBody = sendRaw(service.port, `${head(json)}{`);
    for (const raw of await Promise.all([slow, slowBody])) {
      const answer = parseAnswer(raw);
      assert.equal(answer.status, 408);
      assert.match(String(answer.body.detail), /slowly/);
    }
    assert.deepEqual(log.appended, []);
  });
});

describe('The producer service', () => {
  it('is ready only while the log could take an append', async (t) => {
    const { log, url } = await setUp(t);
    await until('healthy', async () => (await fetch(`${url}/health`)).status === 200);
    assert.deepEqual(await (await fetch(`${url}/health`)).json(), {
      status: 'healthy',
      service: 'producer',
      topic: 'order_events',
      queued: 0,
      warnings: [],
    });
    log.checkError = new Error('no broker');
    const red = await until('unhealthy', async () => {
      const answer = await fetch(`${url}/health/ready`);
      return answer.status === 503 ? answer : null;
    });
    assert.match(String(await detailOf(red)), /no broker/);
    assert.equal((await fetch(`${url}/health/live`)).status, 200);
  });

  it('redirects to where the status of an event can be read', async (t) => {
    const { url } = await setUp(t, { STATUS_BASE_URL: 'http://127.0.0.1:9' });
    const answer = await fetch(`${url}/events/abc%2Fdef?wait=5`, { redirect: 'manual' });
    assert.equal(answer.status, 307);
    assert.equal(answer.headers.get('location'), 'http://127.0.0.1:9/events/abc%2Fdef?wait=5');
  });

  it('documents itself: OpenAPI, a page to read it, metrics', async (t) => {
    const { url, post } = await setUp(t);
    await post(wireEvent());
    await post('{}');
    const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { responses: object }>>;
    };
    assert.match(document.openapi, /^3\.1/);
    const responses = Object.keys(document.paths['/events']?.post?.responses ?? {});
    assert.deepEqual(responses, ['202', '413', '415', '422', '500', '503']);
    assert.match(await (await fetch(`${url}/docs`)).text(), /swagger/i);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(metrics, /orderonce_ingest_events_total\{answer="accepted"\} 1/);
    assert.match(metrics, /orderonce_ingest_events_total\{answer="rejected"\} 1/);
  });

  it('stops: finishes what is in flight, then listens no more [G1]', async (t) => {
    const { log, service, url, post } = await setUp(t);
    log.isAutomatic = false;
    const inFlight = post(wireEvent());
    await until('the append is under way', () => log.pending.length === 1);
    const stopped = service.stop();
    await assert.rejects(fetch(`${url}/health`));
    log.pending[0]?.acknowledge();
    assert.equal((await inFlight).status, 202);
    await stopped;
    assert.equal(log.closed, true);
  });

  it('stops by the delivery deadline when the log hangs; who waits is answered 500 [G10]', async (t) => {
    const { log, service, post } = await setUp(t, { DELIVERY_DEADLINE_MS: '300' });
    log.isAutomatic = false;
    const inFlight = post(wireEvent());
    await until('the append is under way', () => log.pending.length === 1);
    await service.stop();
    assert.equal((await inFlight).status, 500);
  });
});
