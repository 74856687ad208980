import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Orderonce } from '../../test/support/processes.ts';
import { VERSION } from '../runtime/version.ts';

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-init-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('orderonce init', () => {
  it('writes a project into the folder, and says what to do next', async (t) => {
    const cwd = temporary(t);
    const init = new Orderonce(t, ['init', 'My Shop'], {}, cwd);
    assert.equal(await init.exit(), 0);
    assert.match(init.output, /cd "My Shop"\n {2}npm install\n {2}npm test\n {2}npm start\n/);
    const folder = join(cwd, 'My Shop');
    const { name, dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    assert.deepEqual([name, dependencies], ['my-shop', { orderonce: VERSION }]);
    assert.doesNotMatch(readFileSync(join(folder, 'README.md'), 'utf8'), /\{\{/);
  });

  it('writes nothing where it would overwrite one file', async (t) => {
    const cwd = temporary(t);
    writeFileSync(join(cwd, 'handlers.ts'), 'mine');
    const init = new Orderonce(t, ['init'], {}, cwd);
    assert.equal(await init.exit(), 1);
    assert.match(init.output, /FILES_EXIST: handlers\.ts in /);
    assert.deepEqual(readdirSync(cwd), ['handlers.ts']);
    assert.equal(readFileSync(join(cwd, 'handlers.ts'), 'utf8'), 'mine');
  });
});
