import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { createHttpServer } from '../runtime/http-server.ts';
import { createLogger } from '../runtime/logger.ts';
import { addConsoleRoutes } from './console-routes.ts';

const FOLDER = new URL('./console/', import.meta.url);
const FILES = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => /\.(html|css|js)$/.test(file));
const read = (file: string) => readFileSync(new URL(file, FOLDER), 'utf8');
const SCRIPTS = FILES.filter((file) => file.endsWith('.js'));

async function serve(t: TestContext) {
  const app = await createHttpServer({
    title: 'test',
    description: '',
    bodyBytesMax: 1024,
    requestTimeoutMs: 1000,
    logger: createLogger('silent'),
    tls: null,
  });
  t.after(() => app.close());
  addConsoleRoutes(app);
  return app;
}

describe('The console', () => {
  it('comes with all its files, and lets no other script run nor page frame it', async (t) => {
    const app = await serve(t);
    const page = await app.inject('/');
    assert.match(String(page.headers['content-type']), /^text\/html/);
    const policy = String(page.headers['content-security-policy']);
    assert.match(policy, /default-src 'none'; script-src 'self'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.match(policy, /require-trusted-types-for 'script'; trusted-types 'none'/);
    for (const file of FILES.filter((file) => file !== 'index.html')) {
      const answer = await app.inject(`/console/files/${file}`);
      assert.equal(answer.statusCode, 200, file);
      const type = file.endsWith('.js') ? /^text\/javascript/ : /^text\/css/;
      assert.match(String(answer.headers['content-type']), type);
    }
    const asked = [...page.body.matchAll(/(?:src|href)="\/console\/files\/([^"]+)"/g)];
    assert.ok(asked.length >= 2);
    for (const [, file] of asked) assert.ok(FILES.includes(file as string), file);
    // A link to any page of the console, and its address after a reload.
    for (const url of ['/console', '/console/dead-letters/1/3/41', '/console/unknown?a=b']) {
      assert.equal((await app.inject(url)).body, page.body, url);
    }
  });

  it('can ask whether changes are accepted, and shows no button that would be refused', async (t) => {
    const app = await serve(t);
    const ask = async (remoteAddress: string) =>
      (
        await app.inject({ url: '/access', remoteAddress, headers: { host: 'localhost:8001' } })
      ).json();
    assert.deepEqual(await ask('127.0.0.1'), { may_change: true, why_not: null });
    const { may_change, why_not } = await ask('172.18.0.1');
    assert.equal(may_change, false);
    assert.match(why_not, /this machine only/);
  });

  it('finds on its page every element that its scripts ask for', () => {
    const asked = SCRIPTS.flatMap((file) => [
      ...read(file).matchAll(/\b(?:at|getElementById)\('([^']+)'\)/g),
    ]);
    const ids = new Set(asked.map(([, id]) => id));
    assert.ok(ids.size > 5);
    for (const id of ids) assert.match(read('index.html'), new RegExp(`id="${id}"`));
  });

  it('imports only files that exist, and each file is used', () => {
    const used = new Set(['index.html', 'main.js']);
    for (const file of SCRIPTS) {
      for (const [, path] of read(file).matchAll(/from '([^']+)'/g)) {
        const target = new URL(path as string, new URL(file, FOLDER)).href.slice(
          FOLDER.href.length,
        );
        assert.ok(FILES.includes(target), `${file} imports ${path}`);
        used.add(target);
      }
    }
    for (const [, file] of read('index.html').matchAll(/files\/([^"]+\.css)"/g))
      used.add(file as string);
    assert.deepEqual(
      FILES.filter((file) => !used.has(file)),
      [],
    );
  });

  it('never makes markup of text: an event could hold any', () => {
    for (const file of SCRIPTS) {
      assert.doesNotMatch(
        read(file),
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|createContextualFragment|\beval\b|new Function/,
        file,
      );
    }
    assert.doesNotMatch(read('index.html'), /<script>| on\w+=| style=/);
  });

  it('has small files', () => {
    for (const file of FILES) assert.ok(read(file).split('\n').length <= 300, file);
  });
});
