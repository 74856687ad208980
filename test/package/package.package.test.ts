/** The package as a team gets it: packed, installed with npm into an empty folder, and used there. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { wireEvent } from '../support/events.ts';
import { freePort } from '../support/free-port.ts';
import {
  install,
  type Packed,
  pack,
  ROOT,
  run,
  SHELL,
  temporaryFolder,
} from '../support/tarball.ts';
import { until } from '../support/until.ts';

const BYTES_MAX = 2_000_000;
const ENTRIES = ['handlers', 'client', 'testing'];
const { folder, remove } = temporaryFolder();
let packed: Packed;

before(() => {
  packed = pack(folder);
  install(folder, packed);
});
after(remove);

/** Entries that are listed in package.json, but that this tree has no source of. */
function isMissing(entry: string): false | string {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, Record<string, string>>;
  };
  const source = exports[`./${entry}`]?.['orderonce-source'] ?? '';
  return existsSync(join(ROOT, source)) ? false : `There is no ${source}`;
}

describe('The tarball', () => {
  it(`has less than ${BYTES_MAX / 1e6} MB`, () => {
    assert.ok(packed.bytes < BYTES_MAX, `${packed.bytes} bytes`);
  });

  it('holds compiled code with source maps and declarations, and nothing else', () => {
    const allowed =
      /^(bin\/[a-z0-9-]+\.js|dist\/.+\.(js|js\.map|d\.ts|sql|html|css|svg)|package\.json|LICENSE|README\.md|CHANGELOG\.md)$/;
    assert.deepEqual(
      packed.files.filter((file) => !allowed.test(file) || /\.test\./.test(file)),
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
    it(`has orderonce/${entry}, for import and for require`, { skip: isMissing(entry) }, () => {
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
  const entries = ENTRIES.filter((entry) => isMissing(entry) === false);
  const text = `import { type Handler, TerminalError, forEachEvent } from 'orderonce/handlers';
${entries.map((entry) => `export * as all_${entry} from 'orderonce/${entry}';`).join('\n')}
export const handlers: Handler[] = [
  forEachEvent('charge', async ({ eventId, totalAmount }, tx) => {
    const { rowCount } = await tx.query('SELECT $1, $2', [eventId, totalAmount]);
    if (rowCount !== 1) throw new TerminalError('no row');
  }),
];
// @ts-expect-error A handler has a name: declarations that are not found would allow anything.
export const wrong: Handler = { handle: async () => {} };
`;
  const projects = [
    { module: 'nodenext', moduleResolution: 'nodenext', type: 'module' },
    { module: 'nodenext', moduleResolution: 'nodenext', type: 'commonjs' },
    { module: 'preserve', moduleResolution: 'bundler', type: 'module' },
  ];
  for (const { type, ...resolution } of projects) {
    const { moduleResolution } = resolution;
    it(`with moduleResolution ${moduleResolution} compiles a handler (${type})`, () => {
      const project = join(folder, `${moduleResolution}-${type}`);
      mkdirSync(project);
      const compilerOptions = {
        ...resolution,
        target: 'es2023',
        strict: true,
        noEmit: true,
        types: ['node'],
        typeRoots: [join(ROOT, 'node_modules', '@types')],
      };
      writeFileSync(join(project, 'package.json'), JSON.stringify({ type }));
      writeFileSync(join(project, 'handlers.ts'), text);
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
      const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
      run(project, [process.execPath, tsc, '--project', project]);
    });
  }
});

/** `npx orderonce start` in the folder, until it says that it runs. */
async function start(t: TestContext, env: Record<string, string>) {
  const child = spawn('npx', ['orderonce', 'start'], {
    cwd: folder,
    env: { ...SHELL, ...env },
    // A group of its own, so that the signal reaches Orderonce behind npx, as Ctrl-C does.
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const ended = new Promise<void>((done) => child.once('close', () => done()));
  const stop = async () => {
    if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGINT');
    await ended;
  };
  t.after(stop);
  await until('it runs', () => {
    if (child.exitCode !== null) throw new Error(`It ended: ${output}`);
    return output.includes('Orderonce runs.');
  });
  return { stop, output: () => output };
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
  await start(t, settings);

  const post = async (event: object) => {
    const response = await fetch(`http://127.0.0.1:${producer}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    assert.equal(response.status, 202);
  };
  const state = async (id: string) => {
    const response = await fetch(`http://127.0.0.1:${consumer}/events/${id}?wait=5`);
    return JSON.stringify(await response.json());
  };
  const event = wireEvent();
  await post(event);
  await post(event);
  const refused = wireEvent({ user_id: 'refused' });
  await post(refused);
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
