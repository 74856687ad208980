/**
 * Runs Schemathesis against both services of `orderonce start`, without API keys and with them. It
 * makes requests from the OpenAPI descriptions, valid and invalid ones, and checks that the answers
 * are the described ones. Fails if it finds anything.
 *
 *   npm run schemathesis                         needs Schemathesis (from PyPI); `.ci/run` installs it
 *   SEED=7 EXAMPLES=100 npm run schemathesis     other requests, and more
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeKey } from '../src/access/api-keys.ts';
import { EVENT_EXAMPLE } from '../src/event/event-schema.ts';
import { freePort } from '../test/support/free-port.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const PYTHON = join(root, '.cache/schemathesis/python');
const SETTINGS = join(root, 'scripts/schemathesis');
/** Examples of each operation. With the fixed cases this makes less than a minute per service. */
const EXAMPLES = Number(process.env.EXAMPLES ?? 6);
/** Fixed, so that a check of an unchanged tree does not change its mind. Try others now and then. */
const SEED = process.env.SEED ?? '1';
const START_MS = 120_000;

type Access = {
  readonly env: Record<string, string>;
  readonly ingest: string;
  readonly admin: string;
};

let failures = 0;
for (const isKeyed of [false, true]) {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-schemathesis-'));
  const service = await start(folder, isKeyed ? await writeKeys(folder) : null);
  try {
    failures += await service.check();
  } finally {
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
console.log(
  failures === 0 ? 'Schemathesis found nothing' : `Schemathesis failed ${failures} times`,
);
process.exit(failures === 0 ? 0 : 1);

async function writeKeys(folder: string): Promise<Access> {
  const [ingest, admin] = [makeKey(), makeKey()];
  const path = join(folder, 'keys.json');
  const keys = [
    { name: 'shop', role: 'ingest', sha256: ingest.sha256 },
    { name: 'operator', role: 'admin', sha256: admin.sha256 },
  ];
  await writeFile(path, JSON.stringify({ keys }));
  return { env: { API_KEYS_FILE: path }, ingest: ingest.key, admin: admin.key };
}

async function start(folder: string, access: Access | null) {
  const [producer, consumer] = [await freePort(), await freePort()];
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    PRODUCER_PORT: String(producer),
    CONSUMER_PORT: String(consumer),
    ORDERONCE_DATA_DIR: join(folder, 'data'),
    HANDLERS_MODULE: join(root, 'test/support/refusing-handler.ts'),
    LOG_LEVEL: 'error',
    ...access?.env,
  };
  const cli = join(root, 'src/cli.ts');
  const stdio = ['ignore', 'ignore', 'inherit'] as const;
  const child = spawn(process.execPath, [cli, 'start'], { env, stdio: [...stdio], cwd: folder });
  const [api, status] = [`http://127.0.0.1:${producer}`, `http://127.0.0.1:${consumer}`];
  const stop = async () => {
    if (child.exitCode !== null) return;
    child.kill();
    await ended(child);
  };
  try {
    await untilOk(`${status}/health`);
    await fill(api, status, access);
  } catch (error) {
    await stop();
    throw error;
  }
  const what = access === null ? 'without API keys' : 'with API keys';
  const check = async () =>
    (await run(folder, 'ingest', `The ingest API ${what}`, api, access?.ingest)) +
    (await run(folder, 'consumer', `The consumer ${what}`, status, access?.admin));
  return { check, stop };
}

/** Stores the event of the examples, a duplicate, a conflict and a dead letter, so that lists hold items. */
async function fill(api: string, status: string, access: Access | null): Promise<void> {
  const bearer = (key?: string): Record<string, string> =>
    key === undefined ? {} : { authorization: `Bearer ${key}` };
  const refused = {
    ...EVENT_EXAMPLE,
    event_id: randomUUID(),
    order_id: randomUUID(),
    user_id: 'refused',
  };
  const events = [EVENT_EXAMPLE, EVENT_EXAMPLE, { ...EVENT_EXAMPLE, total_amount: 1 }, refused];
  for (const event of events) {
    const headers = { 'content-type': 'application/json', ...bearer(access?.ingest) };
    const answer = await fetch(`${api}/events`, {
      method: 'POST',
      headers,
      body: JSON.stringify(event),
    });
    if (answer.status !== 202) throw new Error(`POST /events: ${answer.status}`);
  }
  const headers = bearer(access?.admin);
  await untilOk(`${status}/events/${refused.event_id}`, headers);
}

async function untilOk(url: string, headers: Record<string, string> = {}): Promise<void> {
  for (const end = Date.now() + START_MS; Date.now() < end; await pause(300)) {
    const answer = await fetch(url, { headers }).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
  }
  throw new Error(`${url} is not answered 200`);
}

/** @returns 1 if it found something, otherwise 0. */
async function run(
  folder: string,
  name: 'ingest' | 'consumer',
  title: string,
  url: string,
  key?: string,
): Promise<number> {
  if (!existsSync(PYTHON)) throw new Error('Schemathesis is not installed: see .ci/run');
  console.log(`\n==== ${title}`);
  const config = join(SETTINGS, `${name}.toml`);
  const args = ['--config-file', config, 'run', `${url}/openapi.json`, '--checks', 'all'];
  // The redirect to the status of an event leads to the other service, which this description does
  // not describe.
  args.push(
    '--seed',
    SEED,
    '--max-examples',
    String(EXAMPLES),
    '--max-redirects',
    '0',
    '--no-color',
  );
  args.push('--suppress-health-check', 'all', '--output-truncate', 'true');
  if (key !== undefined) args.push('--header', `Authorization: Bearer ${key}`);
  const child = spawn(join(PYTHON, 'bin/schemathesis'), args, {
    cwd: folder,
    env: {
      ...process.env,
      PYTHONPATH: [PYTHON, SETTINGS].join(':'),
      // Otherwise Python writes its compiled modules next to the hooks.
      PYTHONDONTWRITEBYTECODE: '1',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return (await ended(child)) === 0 ? 0 : 1;
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
}
