/** `orderonce top` on a terminal, which script(1) of util-linux makes, and without one. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { OVERVIEW_EXAMPLE } from '../admin/overview-operations.ts';

const CLI = join(import.meta.dirname, '..', 'cli.ts');
const HAS_SCRIPT = spawnSync('script', ['--version']).status === 0;
// What moves the cursor is what is tested.
const ESCAPE = '\x1b';

/** A consumer whose overview has a title that would clear the screen. */
async function consumerOf(t: TestContext): Promise<string> {
  const [need] = OVERVIEW_EXAMPLE.needs;
  const overview = { ...OVERVIEW_EXAMPLE, needs: [{ ...need, title: `bad ${ESCAPE}[2J title` }] };
  const server = createServer((_, reply) => void reply.end(JSON.stringify(overview)));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('draws on the alternate screen, quits at q, and leaves the terminal as it was', {
  skip: !HAS_SCRIPT,
}, async (t) => {
  const url = await consumerOf(t);
  const call = `${process.execPath} ${CLI} top --url ${url}`;
  const child = spawn('script', ['-qec', call, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm' },
  });
  t.after(() => child.kill());
  let shown = '';
  child.stdout.on('data', (chunk) => {
    shown += chunk;
    if (shown.includes('q quits') && !child.stdin.writableEnded) child.stdin.end('q');
  });
  const code = await new Promise((done) => child.once('close', done));
  assert.equal(code, 0, shown);
  assert.ok(shown.includes(`${ESCAPE}[?1049h${ESCAPE}[?25l`), 'enters');
  assert.ok(shown.trimEnd().endsWith(`${ESCAPE}[?25h${ESCAPE}[?1049l`), 'leaves');
  assert.match(shown, /Somebody should look/);
  assert.ok(shown.includes('bad \\u001b[2J title'), 'what a message says does not move the cursor');
  assert.ok(!shown.includes(`${ESCAPE}[2J`));
});

it('is a line each second where there is no terminal', async (t) => {
  const url = await consumerOf(t);
  const child = spawn(process.execPath, [CLI, 'top', '--url', url, '--seconds', '2']);
  let shown = '';
  child.stdout.on('data', (chunk) => {
    shown += chunk;
  });
  assert.equal(await new Promise((done) => child.once('close', done)), 0);
  assert.ok(!shown.includes(ESCAPE), shown);
  for (const line of shown.trimEnd().split('\n'))
    assert.match(line, /^\S+Z {2}look {2}arrived: 1,204\/s/);
});
