/** The different ways in which clients send the same request, over real HTTP. */
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { parseAnswer, sendRaw } from '../../test/support/http.ts';
import { startIngest } from '../../test/support/ingest.ts';
import { BODY_BYTES_MAX } from './accept-batch.ts';

const event = () => Buffer.from(JSON.stringify(wireEvent()));

describe('Content-Type', () => {
  const json = [
    'application/json',
    'Application/JSON',
    'application/json;charset=utf8',
    'application/json; charset="UTF-8"',
    "application/json; charset='utf-8'",
    'application/json ; version=1 ; charset=utf-8; q="a;charset=latin1"',
    'application/json; charset=us-ascii',
    'application/json;odata.metadata=minimal;IEEE754Compatible=true',
    'application/json;',
    'text/json',
    'application/vnd.shop.order+json; charset=utf-8',
  ];
  const lines = [
    'application/x-ndjson',
    'application/ndjson; charset=utf8',
    'application/jsonl',
    'application/x-jsonlines',
    'text/x-ndjson',
  ];
  const refused = [
    'text/plain',
    'text/plain; x=application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'application/json x',
    'application/json, text/plain',
    'json',
    '',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; charset=latin1',
    'text/json; charset="ISO-8859-1"',
  ];

  it('is JSON however a client writes it, and NDJSON for batches', async (t) => {
    const { log, send } = await startIngest(t);
    for (const type of json) {
      assert.equal((await send('/events', event(), { 'content-type': type })).status, 202, type);
      const array = Buffer.from(`[${event()}]`);
      assert.equal((await send('/events/batch', array, { 'content-type': type })).status, 202);
    }
    for (const type of lines) {
      const two = Buffer.from(`${event()}\n${event()}`);
      assert.equal((await send('/events/batch', two, { 'content-type': type })).body.accepted, 2);
      assert.equal((await send('/events', event(), { 'content-type': type })).status, 415);
    }
    assert.equal(log.appended.length, json.length * 2 + lines.length * 2);
  });

  it('of any other kind is 415, and the answer names what is taken', async (t) => {
    const { log, send } = await startIngest(t);
    for (const type of refused) {
      const headers = { 'content-type': type };
      const [one, many] = [
        await send('/events', event(), headers),
        await send('/events/batch', event(), headers),
      ];
      assert.deepEqual([one.status, many.status], [415, 415], type);
      assert.match(one.body.detail, /Send application\/json, in UTF-8/, type);
      assert.match(many.body.detail, /application\/json.*UTF-8/);
    }
    const started = performance.now();
    const spaces = `application/json; charset=${' '.repeat(15_000)}x`;
    assert.equal((await send('/events', event(), { 'content-type': spaces })).status, 415);
    assert.ok(performance.now() - started < 2000, 'a header of spaces takes no time');
    const none = await send('/events', event(), {});
    assert.deepEqual([none.status, log.appended], [415, []]);
  });
});

describe('Expect: 100-continue', () => {
  const ask = (path: string, headers: string) =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n${headers}\r\n\r\n`;

  it('is answered before the body comes, and by the refusal alone where it may not', async (t) => {
    const { log, service } = await startIngest(t);
    const refused: [headers: string, status: number][] = [
      ['Content-Type: text/plain\r\nContent-Length: 5', 415],
      ['Content-Type: application/json\r\nContent-Encoding: br\r\nContent-Length: 5', 415],
      [`Content-Type: application/json\r\nContent-Length: ${BODY_BYTES_MAX * 2}`, 413],
    ];
    for (const path of ['/events', '/events/batch', '/nowhere']) {
      for (const [headers, status] of [
        ...refused,
        ...refused.map(([more, code]) => [`${more}\r\nConnection: close`, code] as const),
      ]) {
        const answer = parseAnswer(await sendRaw(service.port, ask(path, headers)));
        assert.equal(answer.status, path === '/nowhere' ? 404 : status);
      }
      if (path === '/nowhere') continue;
      const body = path === '/events' ? `${event()}` : `[${event()}]`;
      const socket = connect(service.port, '127.0.0.1');
      let received = '';
      const ended = new Promise((done) => socket.once('close', done));
      socket.on('data', (chunk) => {
        received += chunk;
        if (received === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write(body);
      });
      const length = `Content-Length: ${body.length}\r\nConnection: close`;
      socket.write(ask(path, `Content-Type: application/json\r\n${length}`));
      await ended;
      assert.match(received, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 202 /);
    }
    assert.equal(log.appended.length, 2);
  });
});

describe('A slash at the end of a path', () => {
  it('makes no difference', async (t) => {
    const { log, send, url } = await startIngest(t);
    const headers = { 'content-type': 'application/json' };
    assert.equal((await send('/events/', event(), headers)).status, 202);
    const array = Buffer.from(`[${event()}]`);
    assert.equal((await send('/events/batch/?x=1', array, headers)).status, 202);
    assert.equal(log.appended.length, 2);
    for (const path of ['/health/live/', '/metrics/', '/docs/', '/openapi.json/']) {
      assert.equal((await fetch(url + path)).status, 200, path);
    }
    const redirect = await fetch(`${url}/events/x/?wait=5`, { redirect: 'manual' });
    assert.match(redirect.headers.get('location') ?? '', /\/events\/x\?wait=5$/);
    const other = await fetch(`${url}/events/`, { method: 'DELETE' });
    assert.deepEqual([other.status, other.headers.get('allow')], [405, 'OPTIONS, POST']);
    assert.equal((await fetch(`${url}/nowhere/`)).status, 404);
  });
});

describe('A client that sends its whole body before it reads', () => {
  /** Sends requests one after the other on one connection. @returns status and body of each. */
  async function sendAll(
    port: number,
    keepAlive: boolean,
    requests: readonly [path: string, body: Buffer][],
  ) {
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    const answers: { status: number | undefined; body: string; port: number | undefined }[] = [];
    for (const [path, body] of requests) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const headers = { 'content-type': 'application/x-ndjson', 'content-length': body.length };
      if (path === '/events') headers['content-type'] = 'application/json';
      const asking = request({ agent, port, method: 'POST', path, headers }, (answer) => {
        const { localPort } = answer.socket;
        answer.setEncoding('utf8');
        let text = '';
        answer.on('data', (chunk) => {
          text += chunk;
        });
        // The next request follows only after this one has been sent completely.
        answer.on('end', () => {
          answers.push({ status: answer.statusCode, body: text, port: localPort });
          if (asking.writableFinished) resolve();
          else asking.once('finish', resolve);
        });
      });
      asking.on('error', reject).end(body);
      await promise;
    }
    agent.destroy();
    return answers;
  }

  it('reads why it was refused, whether or not it keeps the connection', async (t) => {
    const { log, service } = await startIngest(t);
    const large = Buffer.alloc(20 << 20, ' ');
    const many = Buffer.from(`${event()}\n`.repeat(30_000));
    for (const keepAlive of [true, false]) {
      log.appended.length = 0;
      const answers = await sendAll(service.port, keepAlive, [
        ['/events', large],
        ['/events/batch', large],
        ['/events/batch', many],
        ['/events', event()],
      ]);
      assert.deepEqual(
        answers.map(({ status }) => status),
        [413, 413, 202, 202],
      );
      assert.match(answers[2]?.body ?? '', /"accepted":10000,.*More than 10000 events/);
      assert.equal(new Set(answers.map(({ port }) => port)).size, keepAlive ? 1 : 4);
      assert.equal(log.appended.length, 10_001);
    }
  });
});
