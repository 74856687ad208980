import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createLogger } from './logger.ts';
import { WatchedFiles } from './watched-files.ts';

function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-watched-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'secret');
  let second = 0;
  const write = (text: string) => {
    writeFileSync(path, text);
    utimesSync(path, ++second, second);
  };
  const held: string[] = [];
  const watch = (read = () => void held.push(readFileSync(path, 'utf8'))) => {
    const files = new WatchedFiles([path], 'secrets', read, createLogger('silent'));
    t.after(() => files.stop());
    return files;
  };
  return { path, write, held, watch };
}

describe('WatchedFiles', () => {
  it('reads again what has changed, and nothing else', (t) => {
    const { write, held, watch } = setUp(t);
    write('one');
    const files = watch();
    files.check();
    write('two');
    files.check();
    files.check();
    assert.deepEqual(held, ['one', 'two']);
  });

  it('forgets its trouble when the file is back as it was', (t) => {
    const { path, write, watch } = setUp(t);
    write('one');
    const files = watch();
    renameSync(path, `${path}.away`);
    files.check();
    assert.match(files.trouble ?? '', /secrets are not in use: .*ENOENT/);
    renameSync(`${path}.away`, path);
    files.check();
    assert.equal(files.trouble, null);
  });

  it('sees a change that came while it read for the first time', (t) => {
    const { path, write, held, watch } = setUp(t);
    write('old');
    const files = watch(() => {
      held.push(readFileSync(path, 'utf8'));
      if (held.length === 1) write('new');
    });
    files.check();
    assert.deepEqual(held, ['old', 'new']);
  });

  it('leaves the first failure to the caller', (t) => {
    const { watch } = setUp(t);
    assert.throws(() => watch(), /ENOENT/);
  });
});
