import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { OutageError, TerminalError } from './handler.ts';
import { loadHandlers } from './load-handlers.ts';
import { fileOfModule } from './team-module.ts';
import { readThrown } from './thrown.ts';

const THROWS = `
export const handlers = [
  { name: 'charge', handle: async () => { throw new TerminalError('never'); } },
];
`;

/** A folder with these files, which becomes the working directory until the test ends. */
function setUp(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-module-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const before = process.cwd();
  process.chdir(folder);
  t.after(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });
  return process.cwd();
}

async function thrownBy(module: string): Promise<unknown> {
  const [handler] = await loadHandlers(module);
  return await handler?.handle([], {} as never).catch((error: unknown) => error);
}

/** A package that is not this one, although it has its name. */
const OTHER_COPY = {
  'node_modules/orderonce/package.json': `{
    "name": "orderonce", "type": "module", "exports": { "./handlers": "./handlers.js" }
  }`,
  'node_modules/orderonce/handlers.js': `
    export class TerminalError extends Error { isFromOtherCopy = true }`,
};

describe('HANDLERS_MODULE', () => {
  it('may be TypeScript in a folder without node_modules: it gets our orderonce/handlers', async (t) => {
    const text = `import { type Handler, TerminalError } from 'orderonce/handlers';${THROWS}`;
    setUp(t, { 'handlers.mts': text.replace('handlers =', 'handlers: Handler[] =') });
    assert.ok((await thrownBy('handlers.mts')) instanceof TerminalError);
  });

  it('may be CommonJS, which requires orderonce/handlers', async (t) => {
    const text = THROWS.replace('export const handlers =', 'exports.handlers =');
    const first = `const { TerminalError } = require('orderonce/handlers');`;
    setUp(t, { 'folder/handlers.cjs': first + text });
    assert.ok((await thrownBy('./folder/handlers.cjs')) instanceof TerminalError);
  });

  it('gets orderonce/handlers from its own node_modules where it has one', async (t) => {
    const text = `import { TerminalError } from 'orderonce/handlers';${THROWS}`;
    setUp(t, { ...OTHER_COPY, 'handlers.mjs': text });
    const thrown = (await thrownBy('handlers.mjs')) as { isFromOtherCopy?: boolean };
    assert.equal(thrown.isFromOtherCopy, true);
  });

  it('may be the name of a package that the working directory has', async (t) => {
    const folder = setUp(t, {
      'node_modules/@shop/all/package.json': `{
        "name": "@shop/all", "type": "module", "exports": { "./charge": { "import": "./charge.js" } }
      }`,
      'node_modules/@shop/all/charge.js': `import { TerminalError } from 'orderonce/handlers';${THROWS}`,
    });
    const file = join(folder, 'node_modules/@shop/all/charge.js');
    assert.equal(fileOfModule('@shop/all/charge'), file);
    assert.ok((await thrownBy('@shop/all/charge')) instanceof TerminalError);
  });

  it('that is not found is refused with what was looked for', async (t) => {
    const folder = setUp(t, {});
    const refused = (message: RegExp) => ({ code: 'HANDLERS_INVALID', message });
    await assert.rejects(loadHandlers('shop-handlers'), refused(/package 'shop-handlers'/));
    await assert.rejects(loadHandlers('handlers.ts'), refused(new RegExp(`'${folder}/handlers`)));
  });
});

describe('TerminalError and OutageError', () => {
  it('are recognised when they come from another copy of the module', async () => {
    const { href } = new URL('./handler.ts?copy', import.meta.url);
    const other = (await import(href)) as typeof import('./handler.ts');
    assert.notEqual(other.TerminalError, TerminalError);
    assert.equal(readThrown(new other.TerminalError('no')).kind, 'terminal');
    assert.equal(readThrown(new other.OutageError('away')).kind, 'outage');
    assert.equal(new other.OutageError('away') instanceof OutageError, true);
    assert.equal(new other.OutageError('away') instanceof TerminalError, false);
  });

  it('and their subclasses keep the usual instanceof', () => {
    class Blocked extends TerminalError {}
    class Closed extends TerminalError {}
    const blocked = new Blocked('no');
    assert.deepEqual(
      [blocked instanceof Blocked, blocked instanceof Closed, blocked instanceof TerminalError],
      [true, false, true],
    );
    assert.equal(readThrown(blocked).kind, 'terminal');
    assert.equal(readThrown(new Error('terminal')).kind, 'other');
  });
});
