/** Compressed bodies, over real HTTP. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { crc32, createGzip, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { wireEvent } from '../../test/support/events.ts';
import { startIngest } from '../../test/support/ingest.ts';
import { EVENT_BYTES_DEFAULT } from '../event/event-rules.ts';
import { BODY_BYTES_MAX } from './accept-batch.ts';

type Packed = readonly [coding: string, body: Buffer];

/** Each way in which a client may send these bytes. */
const packings = (plain: Buffer): readonly Packed[] => [
  ['identity', plain],
  ['gzip', gzipSync(plain)],
  ['X-GZIP', gzipSync(plain, { level: 0 })],
  ['deflate', deflateSync(plain)],
  ['Deflate', deflateSync(plain, { level: 0, windowBits: 9 })],
  ['deflate', deflateRawSync(plain)],
  ['deflate', deflateRawSync(plain, { level: 0 })],
  ['identity, gzip', gzipSync(plain)],
  [' gzip , identity,', gzipSync(plain)],
];

const event = (parts: object = {}) => Buffer.from(JSON.stringify(wireEvent(parts)));
const typed = (coding: string, type = 'application/json') => ({
  'content-type': type,
  'content-encoding': coding,
});
/** JSON, padded with white space to this length. */
const padded = (json: Buffer, bytes: number) =>
  Buffer.concat([json, Buffer.alloc(bytes - json.length, ' ')]);

describe('Content-Encoding', () => {
  it('changes nothing about a body: its verdicts are those of the plain one [G8]', async (t) => {
    const { log, send } = await startIngest(t);
    const part = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 9 }).map((user_id) => event({ user_id })),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 4 }), async (parts) => {
        const lines = Buffer.concat(parts.flatMap((bytes) => [bytes, Buffer.from('\n')]));
        for (const [path, plain, type] of [
          ['/events', parts[0] as Buffer, 'application/json'],
          ['/events/batch', lines, 'application/x-ndjson'],
        ] as const) {
          const told: unknown[] = [];
          for (const [coding, body] of packings(plain)) {
            const { status, body: said } = await send(path, body, typed(coding, type));
            const results = said.results?.map(({ offset, ...rest }: { offset: number }) => rest);
            told.push({ status, said: results ?? said, appended: log.appended.splice(0) });
          }
          for (const one of told) assert.deepEqual(one, told[0]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('has the same limits as none: of one event, and of a batch [G10]', async (t) => {
    const { log, send } = await startIngest(t);
    const type = 'application/x-ndjson';
    const batch = Buffer.alloc(BODY_BYTES_MAX, `${' '.repeat(1000)}\n`);
    event().copy(batch);
    const tooMuch = Buffer.alloc(BODY_BYTES_MAX + 1, `${' '.repeat(1000)}\n`);
    const one = packings(padded(event(), EVENT_BYTES_DEFAULT));
    const more = packings(padded(event(), EVENT_BYTES_DEFAULT + 1));
    for (const [i, [coding, body]] of one.entries()) {
      assert.equal((await send('/events', body, typed(coding))).status, 202, coding);
      const [, over] = more[i] as Packed;
      assert.equal((await send('/events', over, typed(coding))).status, 413, coding);
    }
    const overs = packings(tooMuch);
    for (const [i, [coding, body]] of packings(batch).entries()) {
      assert.equal((await send('/events/batch', body, typed(coding, type))).status, 202, coding);
      const [, over] = overs[i] as Packed;
      assert.equal((await send('/events/batch', over, typed(coding, type))).status, 413, coding);
    }
    assert.equal(log.appended.length, one.length * 2);
  });

  it('is unpacked no further than that: an endless body is 413 while it still arrives [G10]', async (t) => {
    const { log, send } = await startIngest(t);
    const packer = createGzip();
    const endless = new ReadableStream({
      start: () => void packer.on('error', () => {}),
      pull: async (controller) => {
        packer.write(Buffer.alloc(1 << 20));
        await new Promise((done) => packer.flush(() => done(null)));
        for (let piece = packer.read(); piece !== null; piece = packer.read()) {
          controller.enqueue(piece);
        }
      },
      cancel: () => void packer.destroy(),
    });
    const nothing = gzipSync('');
    const nothings = Buffer.concat(Array.from({ length: 5000 }, () => nothing));
    const empty = new ReadableStream({ pull: (controller) => controller.enqueue(nothings) });
    for (const [path, body] of [
      ['/events', endless],
      ['/events/batch', gzipSync(Buffer.alloc(1 << 28, ' '))],
      ['/events', empty],
    ] as const) {
      const answer = await send(path, body, typed('gzip'));
      assert.deepEqual([answer.status, typeof answer.body.detail], [413, 'string'], path);
    }
    assert.deepEqual(log.appended, []);
  });

  it('that does not hold is 400, and nothing is appended', async (t) => {
    const { log, send } = await startIngest(t);
    const broken = (plain: Buffer): Packed[] => [
      ['gzip', plain],
      ['gzip', gzipSync(plain).subarray(0, -1)],
      ['gzip', Buffer.concat([gzipSync(plain), plain])],
      ['gzip', deflateSync(plain)],
      ['gzip', Buffer.alloc(0)],
      ['deflate', Buffer.alloc(0)],
      ['deflate', gzipSync(plain)],
      ['deflate', deflateSync(plain).subarray(0, -1)],
      ['deflate', Buffer.concat([deflateSync(plain), Buffer.from('x')])],
    ];
    const wrongSum = gzipSync(event());
    wrongSum.writeUInt32LE(crc32('another'), wrongSum.length - 8);
    for (const [coding, body] of [...broken(event()), ['gzip', wrongSum] as const]) {
      const one = await send('/events', body, typed(coding));
      assert.equal(one.status, 400, coding);
      assert.match(one.body.detail, /not what its Content-Encoding says/);
    }
    for (const [coding, body] of broken(Buffer.from('[{}]'))) {
      assert.equal((await send('/events/batch', body, typed(coding))).status, 400, coding);
    }
    assert.deepEqual(log.appended, []);
  });

  it('that stops in the middle, with its connection, hurts nobody else', async (t) => {
    const { log, send, service } = await startIngest(t);
    for (const path of ['/events', '/events/batch']) {
      for (const coding of ['gzip', 'deflate']) {
        const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
        const socket = connect(service.port, '127.0.0.1');
        socket.write(`${head}Content-Encoding: ${coding}\r\nContent-Length: 99\r\n\r\n`);
        if (coding === 'gzip') socket.write(gzipSync(event()).subarray(0, 20));
        await fetch(`http://127.0.0.1:${service.port}/health/live`);
        socket.destroy();
        assert.equal((await send('/events', gzipSync(event()), typed('gzip'))).status, 202);
      }
    }
    assert.equal(log.appended.length, 4);
  });

  it('that breaks behind events which were appended is told of in the last verdict [G1]', async (t) => {
    const { log, send } = await startIngest(t);
    const lines = Buffer.from(`${event()}\n`.repeat(600));
    const cut = gzipSync(lines).subarray(0, -4);
    const answer = await send('/events/batch', cut, typed('gzip', 'application/jsonl'));
    assert.equal(answer.status, 202);
    assert.equal(answer.body.accepted, log.appended.length);
    assert.ok(answer.body.accepted >= 500);
    const { status, detail } = answer.body.results.at(-1);
    assert.deepEqual([status, detail[0].type], ['rejected', 'encoding_invalid']);
  });

  it('that is not taken is 415, and Accept-Encoding names those that are', async (t) => {
    const { log, send } = await startIngest(t);
    for (const coding of ['br', 'zstd', 'compress', 'gzip, gzip', 'deflate, gzip', 'gzip;q=1']) {
      for (const path of ['/events', '/events/batch']) {
        const { status, headers, body } = await send(path, gzipSync(event()), typed(coding));
        assert.deepEqual([status, headers.get('accept-encoding')], [415, 'gzip, deflate'], coding);
        assert.match(body.detail, /Send gzip, deflate or none/);
      }
    }
    assert.deepEqual(log.appended, []);
  });
});
