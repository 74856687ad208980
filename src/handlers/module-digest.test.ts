import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { digestOfModule } from './module-digest.ts';

/** Writes the same small module into a new folder. */
async function setUp(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-digest-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'rules'));
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  await write('handlers.mjs', `import { fee } from './rules/fee.mjs';\nimport pg from 'pg';`);
  await write('rules/fee.mjs', `export { vat } from "../vat.mjs"; const more = import('./more');`);
  await write('rules/more.js', `require('../handlers.mjs');`);
  await write('vat.mjs', 'export const vat = 19;');
  return { digest: () => digestOfModule(join(folder, 'handlers.mjs')), write };
}

describe('digestOfModule', () => {
  it('is the same for the same code in another folder', async (t) => {
    assert.equal(await (await setUp(t)).digest(), await (await setUp(t)).digest());
  });

  for (const name of ['handlers.mjs', 'rules/fee.mjs', 'rules/more.js', 'vat.mjs']) {
    it(`is another one when ${name} changes`, async (t) => {
      const { digest, write } = await setUp(t);
      const before = await digest();
      await write(name, 'export const changed = true;');
      assert.notEqual(await digest(), before);
    });
  }

  it('does not mind a file that imports itself, nor one that is missing', async (t) => {
    const { digest, write } = await setUp(t);
    await write('vat.mjs', `import './vat.mjs'; import './nowhere.mjs';`);
    assert.match(await digest(), /^[0-9a-f]{64}$/);
  });
});
