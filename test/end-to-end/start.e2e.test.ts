/** `orderonce start` without any settings, as a new user runs it. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { judge } from '../support/checker.ts';
import { openPool } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { EVENTS, makeLoad } from '../support/load.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

const PORTS = { PRODUCER_PORT: '18120', CONSUMER_PORT: '18121' };
const api = `http://127.0.0.1:${PORTS.PRODUCER_PORT}`;
const status = `http://127.0.0.1:${PORTS.CONSUMER_PORT}`;

async function setUp(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-start-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const env = { ...PORTS, ORDERONCE_DATA_DIR: join(folder, 'data') };
  const start = (more: Record<string, string> = {}) =>
    new Orderonce(t, ['start'], { ...env, ...more }, folder);
  const run = (...args: string[]) => new Orderonce(t, args, env, folder);
  return { folder, data: env.ORDERONCE_DATA_DIR, start, run };
}

async function post(event: object): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return await fetch(`${api}/events`, { method: 'POST', headers, body: JSON.stringify(event) });
}

type Found = { status: string; duplicates: number; event_count: number; amount_sum: string };
const untilFound = (url: string) =>
  until(`${url} is known`, async () => {
    const answer = await fetch(url);
    return answer.ok ? ((await answer.json()) as Found) : null;
  });

type Ledger = { readonly items: readonly { readonly source: string }[] };

describe('orderonce start', () => {
  it('makes one effect of one event sent twice, continues after a restart, and says who resent [G2]', async (t) => {
    const { data, start, run } = await setUp(t);
    const first = start();
    await first.untilSays('Orderonce runs');
    const event = wireEvent({ total_amount: 99.95 });
    const answer = await post(event);
    assert.equal(answer.status, 202);
    assert.equal(answer.headers.get('location'), `${status}/events/${event.event_id}`);
    assert.equal((await untilFound(`${api}/events/${event.event_id}`)).status, 'stored');
    assert.equal((await post(event)).status, 202);
    await first.untilSays(`"event_id":"${event.event_id}".*Duplicate skipped`);
    const order = await untilFound(`${status}/orders/${event.order_id}`);
    assert.deepEqual([order.event_count, order.amount_sum], [1, '99.9500']);
    assert.equal((await untilFound(`${status}/events/${event.event_id}`)).duplicates, 1);

    const send = run('send', '--example', '--json');
    assert.equal(await send.exit(), 0);
    await untilFound(JSON.parse(send.output).status_url);

    assert.equal(await first.kill('SIGTERM'), 0);
    assert.equal(existsSync(join(data, 'postgres', 'postmaster.pid')), false);
    const second = start();
    await second.untilSays('Orderonce runs');
    assert.equal((await untilFound(`${status}/events/${event.event_id}`)).status, 'stored');
    assert.equal((await post(event)).status, 202);
    await second.untilSays(`"event_id":"${event.event_id}".*Duplicate skipped`);
    const { items } = (await (await fetch(`${status}/duplicates`)).json()) as Ledger;
    assert.deepEqual(
      items.map(({ source }) => source),
      ['resent_other_process', 'resent_same_process'],
      'the newest first',
    );
    assert.equal(await second.kill('SIGINT'), 0);
  });

  it('loses and doubles nothing of 10,000 events though it is killed in the middle [G1] [G2] [G3] [G4] [G5]', async (t) => {
    const { data, start } = await setUp(t);
    let service = start();
    await service.untilSays('Orderonce runs');
    const load = makeLoad();
    const shop = new Shop(Number(PORTS.PRODUCER_PORT));
    const sending = shop.sendAll(load.events);
    for (const share of [0.3, 0.6]) {
      await until(`${share} are accepted`, () => shop.accepted.length > EVENTS * share);
      await service.kill('SIGKILL');
      service = start();
      await service.untilSays('Orderonce runs');
    }
    await sending;
    const db = openPool((await readFile(join(data, 'database-url'), 'utf8')).trim());
    const { rows: log } = await db.query(
      'SELECT log_partition AS partition, log_offset AS offset, value FROM event_log',
    );
    await until('the end is reached', async () => {
      const { rows } = await db.query('SELECT sum(next_offset)::int AS n FROM consumer_positions');
      return rows[0].n === log.length;
    });
    const { accepted, rejectedIds } = shop;
    const history = { accepted, rejectedIds, validIds: load.validIds, log };
    assert.deepEqual(await judge(history, db), []);
    assert.ok((shop.seen.broken ?? 0) > 0, 'the kills were felt');
    await db.end();
    assert.equal(await service.kill('SIGTERM'), 0);
  });

  it('says who holds a port, and how to use another', async (t) => {
    const { start, data } = await setUp(t);
    const other = createServer().listen(Number(PORTS.CONSUMER_PORT), '127.0.0.1');
    t.after(() => other.close());
    const service = start();
    assert.equal(await service.exit(), 1);
    assert.match(service.output, /PORT_TAKEN: Port 18121 is taken by /);
    assert.match(service.output, /CONSUMER_PORT=18131 npm start/);
    if (process.platform === 'linux')
      assert.match(service.output, new RegExp(`pid ${process.pid}:`));
    assert.equal(existsSync(data), false, 'nothing slow was started before');
  });

  it('says that the data directory is in use, or half initialised, and what to do', async (t) => {
    const { start, data } = await setUp(t);
    const first = start();
    await first.untilSays('Orderonce runs');
    const rival = start({ PRODUCER_PORT: '18122', CONSUMER_PORT: '18123' });
    assert.equal(await rival.exit(), 1);
    assert.match(rival.output, /DATA_DIR_UNUSABLE: .* is in use by another Orderonce process/);
    assert.equal(await first.kill('SIGTERM'), 0);
    await rm(data, { recursive: true });
    await mkdir(join(data, 'postgres'), { recursive: true });
    await writeFile(join(data, 'postgres', 'base'), '');
    const half = start();
    assert.equal(await half.exit(), 1);
    assert.match(half.output, /DATA_DIR_UNUSABLE: .*half initialised.*move it away/s);
  });

  it('two first starts at the same moment: one runs, the other says that the folder is in use', async (t) => {
    const { start } = await setUp(t);
    const both = [start(), start({ PRODUCER_PORT: '18122', CONSUMER_PORT: '18123' })];
    const loser = await Promise.race(both.map((one) => one.exit().then(() => one)));
    assert.match(loser.output, /DATA_DIR_UNUSABLE: .* is in use by another Orderonce process/);
    const winner = both.find((one) => one !== loser);
    await winner?.untilSays('Orderonce runs');
    assert.equal(await winner?.kill('SIGTERM'), 0);
  });

  it('reads all of .env or none: not what a byte order mark or other bytes leave of it', async (t) => {
    const { folder, run } = await setUp(t);
    await writeFile(join(folder, '.env'), '\ufeffPRODUCER_PORT=x\nLOG_LEVL=info\n');
    const marked = run(
      'migrate',
      '--producer-port',
      '1',
      '--database-url',
      'postgres://127.0.0.1:1/x',
    );
    await marked.exit();
    assert.match(marked.output, /"unknown":\["LOG_LEVL"\]/);
    const bad = new Orderonce(t, ['migrate'], {}, folder);
    assert.equal(await bad.exit(), 2);
    assert.match(bad.output, /PRODUCER_PORT must be/);
    await writeFile(join(folder, '.env'), Buffer.from([0xff, 0xfe, 0x00]));
    const bytes = run('migrate');
    assert.equal(await bytes.exit(), 2);
    assert.match(bytes.output, /SETTING_INVALID: \.env cannot be read/);
  });

  it('begins anew where the very first start was killed', async (t) => {
    const { start, data } = await setUp(t);
    const first = start();
    await first.untilSays('Preparing PostgreSQL');
    await first.kill('SIGKILL');
    const second = start();
    await second.untilSays('Orderonce runs');
    assert.ok(existsSync(join(data, 'postgres', 'PG_VERSION')));
    assert.equal(await second.kill('SIGTERM'), 0);
  });

  it('stops at once when it is asked to while it still waits for a database', async (t) => {
    const { start } = await setUp(t);
    const service = start({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
    await service.untilSays('Waiting for database and log');
    const answer = await fetch(`${status}/health`);
    assert.equal(answer.status, 503);
    assert.equal(await service.kill('SIGTERM'), 0);
  });

  it('ends, and says why, when its PostgreSQL is killed', async (t) => {
    const { start, data } = await setUp(t);
    const service = start();
    await service.untilSays('Orderonce runs');
    const pidFile = await readFile(join(data, 'postgres', 'postmaster.pid'), 'utf8');
    process.kill(Number(pidFile.split('\n')[0]), 'SIGKILL');
    assert.equal(await service.exit(), 1);
    assert.match(service.output, /The embedded PostgreSQL ended/);
  });
});

describe('orderonce', () => {
  it('explains itself, and a wrong call', async (t) => {
    const { run } = await setUp(t);
    const help = run('--help');
    assert.equal(await help.exit(), 0);
    assert.match(help.output, /^ {2}migrate .*help settings/ms);
    const cases: [args: string[], said: RegExp][] = [
      [['fly'], /Unknown command "fly"\. See "orderonce help"/],
      [['start', '--producer-port', '99999'], /PRODUCER_PORT must be a whole number/],
      [['start', '--colour'], /Unknown option "--colour"\. Did you mean "--color"\?/],
      [['producer'], /DATABASE_URL is not set.*npm start/s],
    ];
    for (const [args, said] of cases) {
      const call = run(...args);
      assert.equal(await call.exit(), 2, args.join(' '));
      assert.match(call.output, said);
    }
    const send = run('send', '--example');
    assert.equal(await send.exit(), 3);
    assert.match(send.output, /API_UNREACHABLE: No answer at .*npm start/);
  });

  it('never prints the password of a database', async (t) => {
    const { start } = await setUp(t);
    const service = start({ DATABASE_URL: 'postgres://shop:s3cr3t-word@127.0.0.1:1/none' });
    await service.untilSays('Waiting for database and log');
    const answer = await (await fetch(`${status}/health`)).text();
    await service.kill('SIGTERM');
    assert.doesNotMatch(service.output + answer, /s3cr3t-word/);
  });

  it('is healthy where it says so', async (t) => {
    const { start } = await setUp(t);
    const service = start();
    await service.untilSays('Orderonce runs');
    await untilHealthy(Number(PORTS.PRODUCER_PORT));
    await untilHealthy(Number(PORTS.CONSUMER_PORT));
    assert.equal((await fetch(`${status}/metrics`)).status, 200);
    assert.equal((await fetch(`${status}/events/not-a-uuid`)).status, 422);
    assert.equal((await fetch(`${status}/events/${crypto.randomUUID()}`)).status, 404);
    assert.equal(await service.kill('SIGTERM'), 0);
  });
});
