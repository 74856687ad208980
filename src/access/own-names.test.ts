import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { FakeLog } from '../../test/support/fake-log.ts';
import { testSettings } from '../../test/support/settings.ts';
import { createHttpServer } from '../runtime/http-server.ts';
import { createLogger } from '../runtime/logger.ts';
import { startProducer } from '../services/producer-service.ts';
import { addAccess } from './access.ts';
import { makeKey } from './api-keys.ts';
import { OwnNames } from './own-names.ts';

const LOCAL = [
  'localhost',
  'LOCALHOST:8001',
  'orders.localhost:80',
  '127.0.0.1:8001',
  '[::1]:8001',
];
const ADDRESSES = [
  '10.0.3.7:8001',
  '192.168.1.5',
  '[fd00::7]:8001',
  '[::ffff:10.0.0.1]',
  '127.1:8001',
];
const FOREIGN = [
  'evil.example',
  'evil.example:8001',
  'evil.example.',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'evil-localhost.example',
  '10.0.3.7.example:8001',
  '[evil.example]:8001',
  'a b',
  'evil.example:80:80',
];

describe('OwnNames', () => {
  const refused = (env: Record<string, string>, hosts: readonly string[]) => {
    const names = new OwnNames(testSettings(env));
    return hosts.filter((host) => names.whyNotHost(host) !== null);
  };

  it('are those of this machine, and any address: nobody can point it elsewhere', () => {
    const own = [...LOCAL, ...ADDRESSES, hostname(), ''];
    assert.deepEqual(refused({}, own), []);
    assert.deepEqual(refused({}, FOREIGN), FOREIGN);
    assert.equal(new OwnNames(testSettings()).whyNotHost(undefined), null);
  });

  it('have no dot in a network of services; on this machine alone nobody asks so', () => {
    const services = ['consumer:8001', 'orders-consumer'];
    assert.deepEqual(refused({ HOST: '0.0.0.0' }, services), []);
    assert.deepEqual(refused({ HOST: '0.0.0.0' }, FOREIGN), FOREIGN);
    assert.deepEqual(refused({ HOST: '127.0.0.1' }, services), services);
  });

  it('are those of the settings: HOST, STATUS_BASE_URL, ALLOWED_HOSTS', () => {
    const env = {
      HOST: 'orders.internal',
      STATUS_BASE_URL: 'https://status.example:444/orders',
      ALLOWED_HOSTS: 'Orders.Example, .shop.example,*.other.example',
    };
    const own = ['orders.internal:8001', 'status.example', 'orders.example:80', 'shop.example'];
    assert.deepEqual(refused(env, [...own, 'a.b.shop.example.', 'x.other.example']), []);
    const others = ['x.orders.example', 'evilshop.example', 'example', ...FOREIGN];
    assert.deepEqual(refused({ ...env, HOST: '127.0.0.1' }, others), others);
    assert.deepEqual(refused({ ALLOWED_HOSTS: '*' }, FOREIGN), []);
    for (const wrong of ['https://a.example', 'a.example:8001', 'a.example;b', 'a,,b']) {
      assert.throws(() => testSettings({ ALLOWED_HOSTS: wrong }), /ALLOWED_HOSTS must be/);
    }
  });

  it('are asked of an Origin too, where a browser sends one', () => {
    const names = new OwnNames(testSettings());
    const own = [undefined, 'http://localhost:8000', 'https://127.0.0.1', 'http://[::1]:3'];
    for (const origin of own) assert.equal(names.whyNotOrigin(origin), null, origin);
    for (const origin of ['null', '', 'http://evil.example:8000', 'file://', 'evil.example'])
      assert.match(names.whyNotOrigin(origin) ?? '', /Origin.*ALLOWED_HOSTS/, origin);
  });

  it('are of http and https only, also where the port is open to a network', () => {
    const names = new OwnNames(testSettings({ HOST: '0.0.0.0' }));
    assert.equal(names.whyNotOrigin('http://producer:8000'), null);
    for (const origin of ['file://', 'chrome-extension://abcdef', 'moz-extension://a-b'])
      assert.match(names.whyNotOrigin(origin) ?? '', /Origin.*ALLOWED_HOSTS/, origin);
    for (const host of [':80', '.']) assert.match(names.whyNotHost(host) ?? '', /Host/, host);
  });
});

type Asked = { readonly status: number | undefined; readonly body: string };

/** Sends a request with any Host header; Node's fetch() would set its own. */
function ask(port: number, path: string, headers: object, body?: string): Promise<Asked> {
  const { promise, resolve, reject } = Promise.withResolvers<Asked>();
  const options = { port, path, method: body === undefined ? 'GET' : 'POST', headers };
  const asking = request(options as object, (answer) => {
    let text = '';
    answer.on('data', (chunk) => {
      text += chunk;
    });
    answer.on('end', () => resolve({ status: answer.statusCode, body: text }));
  });
  asking.on('error', reject).end(body);
  return promise;
}

describe('A page that has pointed its name at this machine', () => {
  const evil = { host: 'evil.example:8001' };
  const silent = createLogger('silent');

  /** Routes like those of the consumer. */
  async function startReader(t: TestContext, env: Record<string, string> = {}) {
    const app = await createHttpServer({
      title: 'test',
      description: '',
      bodyBytesMax: 1024,
      requestTimeoutMs: 1000,
      logger: silent,
      tls: null,
    });
    const settings = testSettings(env);
    const needOf = (method: string) => (method === 'POST' ? 'admin' : 'read');
    const access = addAccess(app, settings, silent, needOf, () => {});
    for (const path of ['/dead-letters', '/events/:event_id', '/health', '/metrics', '/'])
      app.get(path, () => ({ letters: [] }));
    await app.listen({ host: '127.0.0.1', port: 0 });
    t.after(() => {
      access.stop();
      return app.close();
    });
    return (app.server.address() as { port: number }).port;
  }

  it('reads nothing; health, metrics and the console page answer whoever asks', async (t) => {
    const port = await startReader(t);
    for (const path of ['/dead-letters', '/dead-letters/', '/events/x?wait=1']) {
      const answer = await ask(port, path, evil);
      assert.equal(answer.status, 403);
      assert.match(JSON.parse(answer.body).detail, /"evil.example:8001".*ALLOWED_HOSTS/);
      assert.equal((await ask(port, path, { host: `localhost:${port}` })).status, 200);
      assert.equal((await ask(port, path, { host: '10.1.2.3:8001' })).status, 200);
    }
    for (const path of ['/health', '/metrics', '/'])
      assert.equal((await ask(port, path, evil)).status, 200, path);
  });

  it('has no key, so a request with one is answered under any name', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'orderonce-names-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'keys.json');
    const { key, sha256 } = makeKey();
    writeFileSync(file, JSON.stringify({ keys: [{ name: 'x', role: 'read', sha256 }] }));
    const port = await startReader(t, { API_KEYS_FILE: file });
    const headers = { ...evil, authorization: `Bearer ${key}` };
    assert.equal((await ask(port, '/dead-letters', headers)).status, 200);
    assert.equal((await ask(port, '/dead-letters', evil)).status, 401);
  });

  it('sends nothing either: a browser names it in Origin', async (t) => {
    const log = new FakeLog();
    log.isAutomatic = true;
    const service = await startProducer(testSettings(), log, silent);
    t.after(() => service.stop());
    const { port } = service;
    const event = () => JSON.stringify(wireEvent());
    const json = { 'content-type': 'application/json' };
    const pages = [
      { ...evil, origin: 'http://evil.example:8000' },
      { ...evil, origin: 'null' },
    ];
    for (const page of pages) {
      assert.equal((await ask(port, '/events', { ...json, ...page }, event())).status, 403);
      const many = await ask(port, '/events/batch', { ...json, ...page }, `[${event()}]`);
      assert.equal(many.status, 403);
    }
    assert.deepEqual(log.appended, []);
    // A gateway forwards the Host that its client sent.
    assert.equal((await ask(port, '/events', { ...json, ...evil }, event())).status, 202);
    const own = { ...json, origin: 'http://localhost:3000' };
    assert.equal((await ask(port, '/events', own, event())).status, 202);
    assert.equal((await ask(port, '/docs', evil)).status, 200);
  });
});
