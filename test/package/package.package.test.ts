/** The package as a team gets it: packed, installed with npm into an empty folder, and used there. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { wireEvent } from '../support/events.ts';
import { freePort } from '../support/free-port.ts';
import { startRunning } from '../support/running.ts';
import { install, type Packed, pack, ROOT, run, temporaryFolder } from '../support/tarball.ts';
import { until } from '../support/until.ts';

const BYTES_MAX = 2_000_000;
const ENTRIES = ['handlers', 'events', 'client', 'testing'];
const { folder, remove } = temporaryFolder();
let packed: Packed;

before(() => {
  packed = pack(folder);
  install(folder, packed);
});
after(remove);

describe('The tarball', () => {
  it(`has less than ${BYTES_MAX / 1e6} MB`, () => {
    assert.ok(packed.bytes < BYTES_MAX, `${packed.bytes} bytes`);
  });

  it('holds compiled code with source maps and declarations, and nothing else', () => {
    const allowed =
      /^(bin\/[a-z0-9-]+\.js|dist\/.+\.(js|js\.map|d\.ts|sql|html|css|svg|txt)|package\.json|LICENSE|README\.md|CHANGELOG\.md)$/;
    const isTest = (file: string) => /\.test\.(js|d\.ts)/.test(file);
    assert.deepEqual(
      packed.files.filter((file) => !allowed.test(file) || isTest(file)),
      [],
    );
    const sources = packed.files.filter((file) => file.endsWith('.js') && file.startsWith('dist/'));
    const compiled = sources.filter((file) => !file.startsWith('dist/admin/console/'));
    for (const file of compiled) {
      assert.ok(packed.files.includes(`${file}.map`), file);
      assert.ok(packed.files.includes(file.replace(/\.js$/, '.d.ts')), file);
    }
  });

  for (const entry of ENTRIES) {
    it(`has orderonce/${entry}, for import and for require`, () => {
      const name = `orderonce/${entry}`;
      const asModule = `import * as it from '${name}'; console.log(Object.keys(it).length > 0)`;
      const asScript = `console.log(Object.keys(require('${name}')).length > 0)`;
      const node = join(folder, 'node_modules', '.bin', 'node');
      assert.match(run(folder, [node, '--input-type=module', '--eval', asModule]), /^true$/m);
      assert.match(run(folder, [node, '--input-type=commonjs', '--eval', asScript]), /^true$/m);
    });
  }

  it('can be published: npm has nothing to correct', () => {
    const output = run(ROOT, ['npm', 'publish', '--dry-run']);
    const warnings = output.split('\n').filter((line) => /warn|error/i.test(line));
    const others = warnings.filter((line) => !/requires you to be logged in/.test(line));
    assert.deepEqual(
      others.filter((line) => /^npm (warn|error)/.test(line)),
      [],
    );
  });
});

describe('TypeScript', () => {
  const text = `import { type Handler, TerminalError, forEachEvent } from 'orderonce/handlers';
import { startTestKit, type TestKit } from 'orderonce/testing';
export * as client from 'orderonce/client';
export const handlers: Handler[] = [
  forEachEvent('charge', async ({ eventId, totalAmount }, tx) => {
    const { rowCount } = await tx.query('SELECT $1, $2', [eventId, totalAmount]);
    if (rowCount !== 1) throw new TerminalError('no row');
  }),
];
// @ts-expect-error A handler has a name: declarations that are not found would allow anything.
export const wrong: Handler = { handle: async () => {} };
export const kit: Promise<TestKit> = startTestKit({ handlers, migrations: 'migrations' });
export async function reasons(): Promise<string[]> {
  return (await (await kit).deadLetters()).map(({ reason }) => reason);
}
// @ts-expect-error It has no such option.
export const none = () => startTestKit({ handlers, migration: 'migrations' });
`;
  const declaration = `import { defineEvents } from 'orderonce/events';
import { createClient } from 'orderonce/client';
import { z } from 'zod';
export const events = defineEvents({
  'order.placed': { data: z.object({ currency: z.string() }) },
  'order.cancelled': { amount: 'none' },
});
export const handler = events.on('order.placed', async (batch) => {
  const currencies: string[] = batch.map(({ data }) => data.currency);
  // @ts-expect-error Not declared: types that are not found would allow anything.
  void [currencies, batch[0]?.data.price];
});
const client = createClient<typeof events>({ url: 'http://localhost' });
type Sent = Parameters<typeof client.send>[0];
const envelope = { order_id: 'o', user_id: 'u', timestamp: new Date() };
export const sent: Sent = { ...envelope, type: 'order.cancelled' };
// @ts-expect-error No such type.
export const wrong: Sent = { ...envelope, type: 'order.canceled' };
console.log(Object.keys(events.types).join(), handler.name);
`;
  // The tests need no registry for it.
  before(() => symlinkSync(join(ROOT, 'node_modules', 'zod'), join(folder, 'node_modules', 'zod')));
  const projects = [
    { module: 'nodenext', moduleResolution: 'nodenext', type: 'module' },
    { module: 'nodenext', moduleResolution: 'nodenext', type: 'commonjs' },
    { module: 'preserve', moduleResolution: 'bundler', type: 'module' },
  ];
  for (const { type, ...resolution } of projects) {
    const { moduleResolution } = resolution;
    it(`with moduleResolution ${moduleResolution} compiles handlers and events (${type})`, () => {
      const project = join(folder, `${moduleResolution}-${type}`);
      mkdirSync(project);
      const compilerOptions = {
        ...resolution,
        target: 'es2023',
        strict: true,
        noEmit: true,
        types: ['node'],
        typeRoots: [join(ROOT, 'node_modules', '@types')],
        // Declarations that need what the team has not installed, such as @types/pg, fail.
        skipLibCheck: false,
      };
      writeFileSync(join(project, 'package.json'), JSON.stringify({ type }));
      writeFileSync(join(project, 'handlers.ts'), text);
      writeFileSync(join(project, 'events.ts'), declaration);
      writeFileSync(
        join(project, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, files: ['handlers.ts', 'events.ts'] }),
      );
      const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
      run(project, [process.execPath, tsc, '--project', project]);
      // Node would read it as a CommonJS script there, without a compiler.
      if (type === 'commonjs') return;
      const node = join(folder, 'node_modules', '.bin', 'node');
      const output = run(project, [node, '--disable-warning=ExperimentalWarning', 'events.ts']);
      assert.equal(output, 'order.placed,order.cancelled order.placed\n');
    });
  }
});

/** Runs `npx orderonce start` or `npm start` until the test ends. */
async function start(
  t: TestContext,
  cwd: string,
  command: [string, ...string[]],
  env: Record<string, string>,
): Promise<void> {
  const running = await startRunning(command, { cwd, env });
  t.after(running.stop);
}

async function post(port: number, event: object): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });
  assert.equal(response.status, 202);
}

it('runs from an empty folder: start, the same event twice, a handler, verify', async (t) => {
  const [producer, consumer] = [await freePort(), await freePort()];
  const settings = {
    PRODUCER_PORT: String(producer),
    CONSUMER_PORT: String(consumer),
    HANDLERS_MODULE: 'handlers.ts',
  };
  writeFileSync(
    join(folder, 'handlers.ts'),
    `import { type Handler, TerminalError } from 'orderonce/handlers';
    export const handlers: Handler[] = [{
      name: 'refuse',
      handle: async (events) => {
        if (events.some(({ userId }) => userId === 'refused')) throw new TerminalError('Refused');
      },
      check: async () => [],
    }];`,
  );
  await start(t, folder, ['npx', 'orderonce', 'start'], settings);
  const state = async (id: string) => {
    const response = await fetch(`http://127.0.0.1:${consumer}/events/${id}?wait=5`);
    return JSON.stringify(await response.json());
  };
  const event = wireEvent();
  await post(producer, event);
  await post(producer, event);
  const refused = wireEvent({ user_id: 'refused' });
  await post(producer, refused);
  await until('the event is stored', async () => /"stored"/.test(await state(event.event_id)));
  await until('the other one is parked', async () =>
    /refused_by_handler/.test(await state(refused.event_id)),
  );

  await until('all records are verified', () => {
    const verify = ['npx', 'orderonce', 'verify', '--handlers-module', 'handlers.ts'];
    assert.match(run(folder, verify), /^Proven in /m);
    return /"duplicates":1\b/.test(run(folder, [...verify, '--json']));
  });
});

it('init writes a project that runs: its migration, its handler, its check', async (t) => {
  const { folder: parent, remove: removeParent } = temporaryFolder();
  t.after(removeParent);
  run(folder, ['npx', 'orderonce', 'init', join(parent, 'shop')]);
  const project = join(parent, 'shop');
  // The release is not published yet: the tarball stands in for it.
  const file = join(project, 'package.json');
  const json = JSON.parse(readFileSync(file, 'utf8'));
  json.dependencies.orderonce = `file:${packed.file}`;
  writeFileSync(file, JSON.stringify(json));
  run(project, ['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund']);
  assert.match(run(project, ['npm', 'test']), /pass 2\b/);
  const [producer, consumer] = [await freePort(), await freePort()];
  const ports = { PRODUCER_PORT: String(producer), CONSUMER_PORT: String(consumer) };
  await start(t, project, ['npm', 'start'], ports);

  const event = wireEvent({ user_id: 'ann', total_amount: '12.50' });
  await post(producer, event);
  await post(producer, event);
  const database = new pg.Client(
    readFileSync(join(project, '.orderonce', 'database-url'), 'utf8').trim(),
  );
  await database.connect();
  try {
    await until('the handler has written its row', async () => {
      const { rows } = await database.query('SELECT user_id, orders, amount FROM spending');
      if (rows.length === 0) return false;
      assert.deepEqual(rows, [{ user_id: 'ann', orders: '1', amount: '12.5000' }]);
      return true;
    });
  } finally {
    await database.end();
  }
  const proof = run(project, ['npx', 'orderonce', 'verify']);
  assert.match(proof, /handler +spending: proven\n/);
  assert.match(proof, /^Proven in /m);
});
