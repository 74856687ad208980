/** `orderonce send FILE` against the real API, in front of a log that the test controls. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { FakeLog } from '../../test/support/fake-log.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { startProducer } from '../ingest/producer-service.ts';
import { createLogger } from '../runtime/logger.ts';
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
  const send = (baseUrl = `http://127.0.0.1:${service.port}`) =>
    sendFile({
      file,
      api: { baseUrl, headers: {} },
      signal: ending.signal,
      onProgress: (share) => shares.push(share),
      onWait: (reason) => waits.push(reason),
    });
  return { file, log, send, waits, shares, ending };
}

const eventLines = (count: number) =>
  Array.from({ length: count }, () => JSON.stringify(wireEvent()));
const rowsOf = async (file: string) =>
  (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
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
    await until('the first piece is under way', () => log.pending.length === 1);
    log.pending[0]?.acknowledge();
    await until('the second piece is under way', () => log.pending.length === 1);
    log.pending[0]?.fail(new Error('broken pipe'));
    await until('it waits', () => waits.length > 0);
    log.isAutomatic = true;
    assert.equal((await sending).accepted, 800);
    const ids = log.appended.map((value) => JSON.parse(value).event_id);
    assert.deepEqual(ids.slice(500, 800), ids.slice(800), 'the 300 came again, in order');
  });

  it('goes on where it was ended, and waits for an API that is away', async (t) => {
    const lines = eventLines(1500);
    const { file, log, send, waits, ending } = await setUp(t, lines);
    const done = { lines: 1000, accepted: 1000, rejected: 0 };
    await writeFile(`${file}.progress`, JSON.stringify(done));
    assert.deepEqual((await send()).accepted, 1500);
    assert.deepEqual(
      log.appended.map((value) => JSON.parse(value).event_id),
      lines.slice(1000).map((line) => JSON.parse(line).event_id),
    );
    const waiting = assert.rejects(send('http://127.0.0.1:1'), { code: 'API_UNREACHABLE' });
    await until('it says why it waits', () => waits.some((why) => /No answer/.test(why)));
    ending.abort();
    await waiting;
    await assert.rejects(
      sendFile({
        file: `${file}.none`,
        api: { baseUrl: '', headers: {} },
        onProgress: () => {},
        onWait: () => {},
      }),
      { code: 'SETTING_INVALID' },
    );
  });
});
