/** The example programs run as a reader would run them, in front of the real ingest API. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { wireEvent } from '../../test/support/events.ts';
import { startIngest } from '../../test/support/ingest.ts';

const NO_CURL = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is not installed';
const DOCS = new URL('../../docs/sending-events.md', import.meta.url);

type Run = { readonly args?: string[]; readonly input?: string; readonly url: string };

async function run(file: string, { args = [], input = '', url }: Run) {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const conditions = process.execArgv.filter((flag) => flag.startsWith('--conditions='));
  const child = spawn(process.execPath, [...conditions, path, ...args], {
    env: { ...process.env, ORDERONCE_URL: url },
  });
  child.stdin.end(input);
  const exit = new Promise<number | null>((done) => child.once('close', done));
  const [code, out, err] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  return { code, out, err };
}

describe('The examples of the client', () => {
  it('send.ts prints the receipt of an accepted event, and the detail of a rejected one', async (t) => {
    const { url, log } = await startIngest(t);
    const { code, out, err } = await run('send.ts', { url });
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^Accepted {"event_id":"[0-9a-f-]{36}","topic":"order_events"/);
    const refused = await run('send.ts', { url, args: ['x'.repeat(256)] });
    assert.equal(refused.code, 1);
    assert.match(refused.err, /^Rejected .*string_too_long/);
    assert.equal(log.appended.length, 1);
  });

  it('send-many.ts counts the verdicts, and says where it stopped', async (t) => {
    const { url, log } = await startIngest(t);
    const events = [...Array.from({ length: 1200 }, () => wireEvent()), wireEvent({ user_id: '' })];
    const input = events.map((event) => `${JSON.stringify(event)}\n`).join('');
    const { code, out, err } = await run('send-many.ts', { url, input });
    assert.deepEqual(JSON.parse(out), { accepted: 1200, rejected: 1, unknown: 0 });
    assert.equal(code, 0);
    assert.match(err, /^Event 1200 rejected: .*string_too_short/);
    assert.equal(log.appended.length, 1200);
    const wrong = await run('send-many.ts', { url: `${url}/wrong`, input });
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /^Stopped. Resume at event 0: .*404.*check the URL/);
  });

  it('the curl command of docs/sending-events.md is accepted', { skip: NO_CURL }, async (t) => {
    const { url, log } = await startIngest(t);
    const [, command = ''] = /```sh\n(curl [^`]*)```/.exec(readFileSync(DOCS, 'utf8')) ?? [];
    assert.match(command, /localhost:8000/);
    const child = spawn('sh', ['-c', command.replace('http://localhost:8000', url)]);
    assert.match(await text(child.stdout), /^HTTP\/1.1 202 /);
    assert.equal(log.appended.length, 1);
  });
});
