import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createHttpServer } from '../runtime/http-server.ts';
import { createLogger } from '../runtime/logger.ts';
import { addConsoleRoutes } from './console-routes.ts';

const read = (file: string) => readFileSync(new URL(`./console/${file}`, import.meta.url), 'utf8');

describe('The console', () => {
  it('comes with all its files, and lets no other script run nor page frame it', async (t) => {
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
    const page = await app.inject('/');
    assert.match(String(page.headers['content-type']), /^text\/html/);
    const policy = String(page.headers['content-security-policy']);
    assert.match(policy, /default-src 'none'; script-src 'self'/);
    assert.match(policy, /frame-ancestors 'none'/);
    const asked = [...page.body.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)].map(
      ([, url]) => url,
    );
    assert.equal(asked.length, 2);
    for (const url of asked) assert.equal((await app.inject(url as string)).statusCode, 200, url);
  });

  it('can ask whether changes are accepted, and shows no button that would be refused', async (t) => {
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
    const ask = async (remoteAddress: string) =>
      (
        await app.inject({ url: '/access', remoteAddress, headers: { host: 'localhost:8001' } })
      ).json();
    assert.deepEqual(await ask('127.0.0.1'), { may_change: true, why_not: null });
    const { may_change, why_not } = await ask('172.18.0.1');
    assert.equal(may_change, false);
    assert.match(why_not, /this machine only/);
  });

  it('finds on its page every element that its script asks for', () => {
    const ids = [...read('console.js').matchAll(/\bat\('([^']+)'\)/g)].map(([, id]) => id);
    assert.ok(ids.length > 10);
    for (const id of new Set(ids)) assert.match(read('index.html'), new RegExp(`id="${id}"`));
  });

  it('never makes markup of text: an event could hold any', () => {
    assert.doesNotMatch(
      read('console.js'),
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write/,
    );
    assert.doesNotMatch(read('index.html'), /<script>| on\w+=| style=/);
  });
});
