/** What the ingest API answers to invalid requests. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { parseAnswer, sendRaw } from '../../test/support/http.ts';
import { detailOf, startIngest } from '../../test/support/ingest.ts';
import { until } from '../../test/support/until.ts';
import { EVENT_BYTES_DEFAULT } from '../event/event-rules.ts';

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
      const { log, service } = await startIngest(t);
      const answer = parseAnswer(await sendRaw(service.port, ...pieces));
      assert.equal(answer.status, status);
      assert.equal(typeof answer.body.detail, 'string');
      assert.deepEqual(log.appended, []);
    });
  }

  it('413 for a body over the limit, also when it hides its length', async (t) => {
    const { log, url, post } = await startIngest(t);
    const body = ' '.repeat(EVENT_BYTES_DEFAULT + 1);
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

  it('404 for an unknown path, 405 with Allow for another method', async (t) => {
    const { url } = await startIngest(t);
    for (const method of ['GET', 'POST']) {
      const unknown = await fetch(`${url}/nowhere`, { method });
      assert.deepEqual([unknown.status, await detailOf(unknown)], [404, 'Not Found']);
    }
    const read = 'GET, HEAD, OPTIONS';
    const send = 'OPTIONS, POST';
    const others = {
      '/events': send,
      '/events/batch': send,
      '/events/x': read,
      '/health/live': read,
    };
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
    const { log, service } = await startIngest(t);
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
    const { post } = await startIngest(t, {}, 'not\nallowed');
    const answer = await post(valid);
    assert.deepEqual([answer.status, await detailOf(answer)], [500, 'Internal Server Error']);
  });

  it('408 for a request that does not come to its end', async (t) => {
    const { log, service } = await startIngest(t, { REQUEST_TIMEOUT_MS: '500' });
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
