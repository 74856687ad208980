import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

const root = new URL('../../', import.meta.url);
const textOf = (path: string) => readFile(new URL(path, root), 'utf8');

describe('docs/testing-handlers.md', () => {
  it('has a first test that passes beside the example "charge"', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'orderonce-docs-'));
    t.after(() => rm(folder, { recursive: true }));
    const page = await textOf('docs/testing-handlers.md');
    const [, code] = /```ts\n(\/\/ charge\.test\.ts\n[\s\S]*?)```/.exec(page) ?? [];
    assert.ok(code, 'The page has the code block');
    // A team's project finds the package in its node_modules.
    const resolved = (text: string) =>
      text
        .replaceAll(`'orderonce/testing'`, `'${new URL('src/testing/index.ts', root)}'`)
        .replaceAll(`'orderonce/handlers'`, `'${new URL('src/handlers/handler.ts', root)}'`);
    await writeFile(join(folder, 'charge.test.ts'), resolved(code));
    const handlers = await textOf('examples/charge/handlers.ts');
    await writeFile(join(folder, 'handlers.ts'), resolved(handlers));
    await writeFile(join(folder, 'schema.sql'), await textOf('examples/charge/0001-charge.sql'));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const ofTeam = { ...env, DATABASE_URL: process.env.TEST_DATABASE_URL };
    const run = promisify(execFile)(process.execPath, ['--test', 'charge.test.ts'], {
      cwd: folder,
      env: ofTeam,
    });
    const { stdout } = await run.catch((error) => assert.fail(`${error.stdout}${error.stderr}`));
    assert.match(stdout, /pass 3/);
  });
});
