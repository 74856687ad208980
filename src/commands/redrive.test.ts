/** A redrive of many, in front of a consumer that the test plays. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it, type TestContext } from 'node:test';
import { testSettings } from '../../test/support/settings.ts';
import { createLogger } from '../runtime/logger.ts';
import { Output } from './output.ts';
import { runRedrive } from './redrive.ts';

type Answer = readonly [status: number, body: object] | 'cut';

/** @param answer what the consumer answers to a request and its body */
async function setUp(t: TestContext, answer: (path: string, body: string) => Answer) {
  const asked: string[] = [];
  const server = createServer(async (request, reply) => {
    const body = await bodyOf(request);
    asked.push(`${request.method} ${request.url} ${body}`.trimEnd());
    const given =
      request.url === '/health' ? ([200, {}] as const) : answer(request.url ?? '', body);
    if (given === 'cut') request.socket.destroy();
    else reply.writeHead(given[0]).end(JSON.stringify(given[1]));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const said = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof said) => ({
    write: (text: string) => {
      said[name] += text;
    },
  });
  const io = { stdout: stream('stdout'), stderr: stream('stderr'), env: {} };
  const redrive = (flags: object) =>
    runRedrive({
      settings: testSettings({ ORDERONCE_DATA_DIR: '/nowhere', API_KEY: 'k' }),
      logger: createLogger('silent'),
      action: 'redrive',
      words: [],
      flags: { url, ...flags },
      out: new Output({}, io),
    });
  return { redrive, said, asked };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
}

const MISSING = {
  detail: ['count', 'reason'].map((name) => ({ loc: ['body', name], msg: 'Field required' })),
};
const JOB = { redrive_id: 7, action: 'redrive', state: 'running', total: 512, tried: 10 };
const job = (parts: object = {}) => ({
  ...JOB,
  outcomes: {},
  seconds_left: 1,
  trouble: null,
  ...parts,
});

it('says how to redrive more than 100, and changes nothing', async (t) => {
  const { redrive, asked } = await setUp(t, (path, body) => {
    if (path.startsWith('/dead-letters')) return [200, { items: [{}] }];
    if (!body.includes('dry_run')) return [422, MISSING];
    return [200, { count: 512, needs: ['count', 'reason'] }];
  });
  await assert.rejects(redrive({ all: true }), {
    code: 'SETTING_INVALID',
    message: /^512 dead letters match\. .*--count 512 --why TEXT$/,
  });
  assert.ok(asked.includes('GET /dead-letters?state=parked&limit=1'));
});

it('sends what it was given, and follows the job through answers that are cut', async (t) => {
  let looks = 0;
  const { redrive, said, asked } = await setUp(t, (path) => {
    if (path.startsWith('/dead-letters')) return [200, { items: [{}] }];
    if (path === '/redrives') return [202, job()];
    looks += 1;
    if (looks <= 2) return 'cut';
    const end = { state: 'done', tried: 512, outcomes: { stored: 511, failed: 1 } };
    return [200, looks === 3 ? job() : job(end)];
  });
  const code = await redrive({
    reason: 'x',
    count: '512',
    why: 'it works',
    rate: '50',
    first: '9',
  });
  assert.equal(code, 1, 'one failed again');
  assert.match(
    said.stdout,
    /^Redrive 7 \(redrive\) done: 512 of 512 tried, 511 stored, 1 failed\n$/,
  );
  const body = {
    filter: { reason: 'x' },
    count: 512,
    reason: 'it works',
    per_second: 50,
    first: 9,
  };
  assert.ok(asked.includes(`POST /redrives ${JSON.stringify(body)}`), asked.join('\n'));
});

it('tells refusals apart: another number, a missing right, an unknown filter', async (t) => {
  let answer: Answer = [409, { detail: '3 dead letters match, but "count" says 2' }];
  const { redrive } = await setUp(t, (path) =>
    path.startsWith('/dead-letters') && answer[0] !== 200 ? [200, { items: [{}] }] : answer,
  );
  const two = { all: true, count: '2', why: 'x' };
  await assert.rejects(redrive(two), { code: 'SETTING_INVALID', message: /3 dead letters match/ });
  answer = [403, { detail: 'no' }];
  await assert.rejects(redrive(two), { code: 'SETTING_INVALID', message: /Set API_KEY to a key/ });
  answer = [500, { detail: 'PostgreSQL is away' }];
  await assert.rejects(redrive(two), {
    code: 'CONSUMER_UNREACHABLE',
    message: /PostgreSQL is away/,
  });
  answer = [200, { items: [] }];
  await assert.rejects(redrive({ reason: 'refusd' }), { code: 'NOTHING_MATCHES' });
});

it('refuses contradictions before anything is asked', async (t) => {
  const { redrive, asked } = await setUp(t, () => [500, {}]);
  const cases: [object, RegExp][] = [
    [{}, /needs a PLACE, --all/],
    [{ all: true, reason: 'x' }, /leave out --reason/],
    [{ all: true, count: '0' }, /--count must be a whole number from 1/],
    [{ all: true, rate: '1001' }, /--rate must be a whole number from 1 to 1000/],
    [{ all: true, local: true }, /--local and --url exclude each other/],
  ];
  for (const [flags, message] of cases) {
    await assert.rejects(redrive(flags), { code: 'SETTING_INVALID', message });
  }
  assert.deepEqual(asked, []);
});
