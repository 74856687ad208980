/** `orderonce send FILE` against the real API, in front of a log that the test controls. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { wireEvent } from '../../test/support/events.ts';
import { FakeLog } from '../../test/support/fake-log.ts';
import { Orderonce } from '../../test/support/processes.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { makeKey } from '../access/api-keys.ts';
import { EVENT_BYTES_DEFAULT } from '../event/event-rules.ts';
import { createLogger } from '../runtime/logger.ts';
import { startProducer } from '../services/producer-service.ts';
import { sendFile } from './send-file.ts';

async function setUp(t: TestContext, lines: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-send-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'events.jsonl');
  await writeFile(file, lines.join('\n'));
  const log = new FakeLog();
  log.isAutomatic = true;
  const service = await startProducer(testSettings(), log, createLogger('silent'));
  t.after(() => service.stop());
  const waits: string[] = [];
  const shares: number[] = [];
  const ending = new AbortController();
  const baseUrl = `http://127.0.0.1:${service.port}`;
  const send = ({
    api = {},
    ...more
  }: {
    api?: object;
    file?: string;
    signal?: AbortSignal;
  } = {}) =>
    sendFile({
      file,
      api: { baseUrl, headers: {}, ...api },
      signal: ending.signal,
      onProgress: (share) => shares.push(share),
      onWait: (reason) => waits.push(reason),
      ...more,
    });
  const postWhole = async (body: Buffer): Promise<Verdicts> => {
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await fetch(`${baseUrl}/events/batch`, { method: 'POST', headers, body });
    return (await answer.json()) as Verdicts;
  };
  return { file, log, send, waits, shares, ending, postWhole, port: service.port };
}

type Verdicts = {
  accepted: number;
  rejected: number;
  results: { status: string; detail?: unknown }[];
};

const FORCE = { force: true };

const eventLines = (count: number) =>
  Array.from({ length: count }, () => JSON.stringify(wireEvent()));
/** The JSON lines of the file; none if it does not exist. */
const rowsOf = async (file: string) =>
  (await readFile(file, 'utf8').catch(() => ''))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe('sendFile', () => {
  it('sends all lines in order; keeps receipts, and what was rejected with why', async (t) => {
    const lines = eventLines(2500);
    lines.splice(1700, 0, '{"event_id":1}', '');
    const { file, log, send, shares } = await setUp(t, lines);
    const report = await send();
    assert.deepEqual([report.lines, report.accepted, report.rejected], [2502, 2500, 1]);
    const receipts = await rowsOf(`${file}.receipts`);
    assert.deepEqual(
      receipts.map(({ event_id }) => event_id),
      log.appended.map((value) => JSON.parse(value).event_id),
    );
    const [rejected] = await rowsOf(`${file}.rejected`);
    assert.deepEqual([rejected.line, rejected.text], [1701, '{"event_id":1}']);
    assert.equal(shares.at(-1), 1);
    assert.equal(existsSync(`${file}.progress`), false);
  });

  it('sends again what the log did not acknowledge, before anything behind it [G5] [G9]', async (t) => {
    const { log, send, waits } = await setUp(t, eventLines(800));
    log.isAutomatic = false;
    const sending = send();
    await until('the first append is under way', () => log.pending.length === 1);
    log.pending[0]?.acknowledge();
    await until('the second append is under way', () => log.pending.length === 1);
    log.pending[0]?.fail(new Error('broken pipe'));
    await until('it waits', () => waits.length > 0);
    log.isAutomatic = true;
    assert.equal((await sending).accepted, 800);
    const ids = log.appended.map((value) => JSON.parse(value).event_id);
    assert.deepEqual(ids.slice(500, 800), ids.slice(800), 'the 300 came again, in order');
  });

  it('resumes where it was ended, and waits for an API that is away', async (t) => {
    const lines = eventLines(2500);
    const { file, log, send, waits, ending } = await setUp(t, lines);
    log.isAutomatic = false;
    const first = send();
    for (let piece = 0; piece < 2; piece++) {
      await until('an append is under way', () => log.pending.length === 1);
      log.pending[0]?.acknowledge();
    }
    await until('the second batch is under way', () => log.pending.length === 1);
    const { bytes } = JSON.parse(await readFile(`${file}.progress`, 'utf8'));
    assert.equal(bytes, Buffer.byteLength(`${lines.slice(0, 1000).join('\n')}\n`));
    ending.abort();
    log.pending[0]?.fail(new Error('broken pipe'));
    await assert.rejects(first, { code: 'API_UNREACHABLE' });
    log.isAutomatic = true;
    log.appended.length = 0;
    const { signal } = new AbortController();
    assert.equal((await send({ signal })).accepted, 2500);
    assert.deepEqual(
      log.appended.map((value) => JSON.parse(value).event_id),
      lines.slice(1000).map((line) => JSON.parse(line).event_id),
    );
    const isAway = new AbortController();
    const waiting = send({ signal: isAway.signal, api: { baseUrl: 'http://127.0.0.1:1' } });
    const isRejected = assert.rejects(waiting, { code: 'API_UNREACHABLE' });
    await until('it says why it waits', () => waits.some((why) => /No answer/.test(why)));
    isAway.abort();
    await isRejected;
  });

  it('gives each line the verdict of POST /events/batch, whatever bytes the file holds [G8]', async (t) => {
    const { file, log, send, postWhole } = await setUp(t, []);
    const event = fc
      .record({ user_id: fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }) })
      .map((parts) => Buffer.from(JSON.stringify(wireEvent(parts))));
    const line = fc.oneof(
      event,
      event.map((bytes) => Buffer.from(bytes.toString(), 'latin1')),
      fc
        .constantFrom('Zo\xeb', 'a\0b', 'a\u2028b', 'a\u2029b', 'a\u0085b', 'a\vb', 'a\fb')
        .map((user_id) =>
          Buffer.from(JSON.stringify(wireEvent({ user_id })).replace('\\u0000', '\0')),
        ),
      fc
        .constantFrom('Zo\xeb', 'Zo\xe9')
        .map((user_id) => Buffer.from(JSON.stringify(wireEvent({ user_id })), 'latin1')),
      fc.constantFrom('', ' ', '\u00a0', '\ufeff', '\u3000', '\0', '[', 'null').map(Buffer.from),
      fc.constantFrom(' ', 'x').map((byte) => Buffer.alloc(EVENT_BYTES_DEFAULT + 9, byte)),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    );
    const end = fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\u2028', '');
    const mark = fc.constantFrom('', '\ufeff', '\ufffe').map((text) => Buffer.from(text));
    const content = fc
      .tuple(mark, fc.array(fc.tuple(line, end.map(Buffer.from)), { maxLength: 6 }))
      .map(([first, lines]) => Buffer.concat([first, ...lines.flat()]));
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        await Promise.all(['receipts', 'rejected'].map((end) => rm(`${file}.${end}`, FORCE)));
        await writeFile(file, bytes);
        const whole = await postWhole(bytes);
        const appended = log.appended.splice(0);
        const report = await send();
        assert.deepEqual(log.appended.splice(0), appended);
        const rejected = await rowsOf(`${file}.rejected`);
        assert.deepEqual(
          rejected.map(({ detail }) => detail),
          whole.results.filter(({ status }) => status === 'rejected').map(({ detail }) => detail),
        );
        assert.deepEqual([report.accepted, report.rejected], [whole.accepted, whole.rejected]);
      }),
      { numRuns: 200 },
    );
  });

  it('keeps a rejected line as it was, also where it is no text', async (t) => {
    const { file, send } = await setUp(t, []);
    const latin1 = Buffer.from('{"user_id":"Zo\xeb"}\r', 'latin1');
    const long = Buffer.alloc(EVENT_BYTES_DEFAULT + 10, 'x');
    const lines = [Buffer.from('{"user_id":"Zo\u2028"}\n\n'), latin1, Buffer.from('\n'), long];
    await writeFile(file, Buffer.concat(lines));
    await send();
    const rejected = await rowsOf(`${file}.rejected`);
    assert.deepEqual(
      rejected.map(({ line, text, base64, is_cut }) => [line, text ?? base64, is_cut ?? false]),
      [
        [1, '{"user_id":"Zo\u2028"}', false],
        [3, latin1.toString('base64'), false],
        [4, 'x'.repeat(EVENT_BYTES_DEFAULT + 1), true],
      ],
    );
  });

  it('refuses what is no regular file, and a file that an earlier run does not fit to', async (t) => {
    const lines = eventLines(2);
    const { file, log, send } = await setUp(t, lines);
    const refused = (message: RegExp, more: object = {}) =>
      assert.rejects(send(more), { code: 'SETTING_INVALID', message });
    await refused(/Cannot read .*ENOENT/, { file: `${file}.none` });
    await refused(/not a regular file.*"orderonce send -"/, { file: dirname(file) });
    const first = Buffer.from(lines[0] as string);
    const sha256 = createHash('sha256').update(first).digest('hex');
    const progress = (last: object) =>
      JSON.stringify({ bytes: first.length + 1, lines: 1, accepted: 1, rejected: 0, last });
    const fits = { start: 0, length: first.length, sha256 };
    for (const [text, message] of [
      ['{"lines":1,"accepted":1,"rejected":0}', /cannot be read\. Delete it/],
      ['null', /cannot be read\. Delete it/],
      [progress({ ...fits, sha256: 'another' }), /has changed since the run/],
      [progress({ ...fits, start: 1e6 }), /has changed since the run/],
    ] as const) {
      await writeFile(`${file}.progress`, text);
      await refused(message);
    }
    assert.deepEqual(log.appended, []);
    await writeFile(`${file}.progress`, progress(fits));
    assert.equal((await send()).accepted, 2);
    assert.equal(log.appended.length, 1);
  });

  it('reads standard input, and leaves its receipts in the working folder', async (t) => {
    const { file, log, port } = await setUp(t, []);
    const lines = eventLines(3);
    const cwd = dirname(file);
    const orderonce = new Orderonce(t, ['send', '-'], { PRODUCER_PORT: String(port) }, cwd);
    orderonce.child.stdin?.end(`${lines.join('\r\n')}\n{}`);
    assert.equal(await orderonce.exit(), 1, orderonce.output);
    assert.match(
      orderonce.output,
      /Accepted: 3\. .*stdin\.receipts\nRejected: 1\. .*stdin\.rejected/,
    );
    const receipts = await rowsOf(join(cwd, 'stdin.receipts'));
    assert.deepEqual(
      receipts.map(({ event_id }) => event_id),
      lines.map((line) => JSON.parse(line).event_id),
    );
    assert.equal(log.appended.length, 3);
    assert.equal(existsSync(join(cwd, 'stdin.progress')), false);
  });

  it('ends where the API would refuse each time, with its words', async (t) => {
    const { file, send } = await setUp(t, eventLines(1));
    const keys = `${file}.keys`;
    await writeFile(
      keys,
      JSON.stringify({
        keys: [{ name: 'x', role: 'read', ...makeKey() }].map(({ name, role, sha256 }) => ({
          name,
          role,
          sha256,
        })),
      }),
    );
    const closed = await startProducer(
      testSettings({ API_KEYS_FILE: keys }),
      new FakeLog(),
      createLogger('silent'),
    );
    t.after(() => closed.stop());
    const api = { baseUrl: `http://127.0.0.1:${closed.port}` };
    const message = /401: Send Authorization: Bearer KEY/;
    await assert.rejects(send({ api }), { code: 'API_REFUSES', message });
  });
});
