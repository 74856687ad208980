/** API keys and certificates of the ingest API, over real HTTP. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { makeCertificates, NO_OPENSSL } from '../../test/support/certificates.ts';
import { wireEvent } from '../../test/support/events.ts';
import { FakeLog } from '../../test/support/fake-log.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { createLogger } from '../runtime/logger.ts';
import { serverTlsOf } from '../runtime/tls.ts';
import { startProducer } from '../services/producer-service.ts';
import { makeKey } from './api-keys.ts';

const INGEST = { role: 'ingest' };

async function setUp(t: TestContext, limits: object, env: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-access-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [shop, reader] = [makeKey(), makeKey()];
  const keys = [
    { name: 'shop', sha256: shop.sha256, ...INGEST, ...limits },
    { name: 'report', sha256: reader.sha256, role: 'read' },
  ];
  const path = join(folder, 'keys.json');
  writeFileSync(path, JSON.stringify({ keys }));
  const log = new FakeLog('order_events');
  log.isAutomatic = true;
  const settings = testSettings({ API_KEYS_FILE: path, ...env });
  const service = await startProducer(settings, log, createLogger('silent'));
  t.after(() => service.stop());
  const url = `http://127.0.0.1:${service.port}`;
  const post = (key: string | null, body: unknown = wireEvent(), where = '/events') =>
    fetch(url + where, {
      method: 'POST',
      headers: {
        'content-type': where === '/events' ? 'application/json' : 'application/x-ndjson',
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return { log, url, post, shop: shop.key, reader: reader.key };
}

describe('With API keys', () => {
  it('lets nothing in without the right one, before it reads the body', async (t) => {
    const { log, post, shop, reader, url } = await setUp(t, {});
    const none = await post(null, 'x'.repeat(60_000));
    assert.equal(none.status, 401);
    assert.equal(none.headers.get('www-authenticate'), 'Bearer');
    assert.equal((await post('oonce_guessed')).status, 401);
    assert.equal((await post(`${shop}x`)).status, 401);
    assert.equal((await post(reader)).status, 403);
    assert.equal((await post(null, '[]', '/events/batch')).status, 401);
    assert.equal((await fetch(`${url}/events/x`, { redirect: 'manual' })).status, 401);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const refused = [...metrics.matchAll(/^orderonce_access_refused_total\{why="(\w+)"\} (\d+)/gm)];
    assert.deepEqual(
      refused.filter(([, , n]) => n !== '0').map(([, why, n]) => `${why} ${n}`),
      ['no_key 3', 'unknown_key 2', 'wrong_role 1'],
    );
    assert.equal(log.pending.length, 0);
    assert.equal((await post(shop)).status, 202);
  });

  it('leaves health, metrics and docs open', async (t) => {
    const { url } = await setUp(t, {});
    for (const path of ['/health', '/health/live', '/metrics', '/docs', '/openapi.json']) {
      assert.equal((await fetch(url + path)).status, 200, path);
    }
  });

  it('holds a key to its rate, and counts each item of a batch [G10]', async (t) => {
    const { post, shop } = await setUp(t, { events_per_second: 2 });
    const lines = Array.from({ length: 50 }, () => JSON.stringify(wireEvent())).join('\n');
    assert.equal((await post(shop, lines, '/events/batch')).status, 202);
    const answer = await post(shop);
    assert.equal(answer.status, 429);
    const wait = Number(answer.headers.get('retry-after'));
    assert.ok(wait > 20 && wait <= 25, `${wait} s`);
  });

  it('holds a key to its quota of a day', async (t) => {
    const { post, shop, url } = await setUp(t, { events_per_day: 3 });
    const headers = { authorization: `Bearer ${shop}` };
    // The redirect to the status of an event is free.
    await fetch(`${url}/events/x`, { headers, redirect: 'manual' });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await post(shop)).status);
    assert.deepEqual(statuses, [202, 202, 202, 429, 429]);
  });
});

describe('Without API keys', () => {
  it('warns where others than this machine could come in', async (t) => {
    const log = new FakeLog('order_events');
    const start = async (host: string) => {
      const settings = testSettings({ HOST: host });
      const service = await startProducer(settings, log, createLogger('silent'));
      t.after(() => service.stop());
      const answer = await fetch(`http://127.0.0.1:${service.port}/health`);
      return ((await answer.json()) as { warnings: string[] }).warnings.join();
    };
    assert.match(await start('0.0.0.0'), /Anyone who reaches 0.0.0.0 may send.*API_KEYS_FILE/);
    assert.equal(await start('127.0.0.1'), '');
  });
});

describe('With TLS', { skip: NO_OPENSSL }, () => {
  it('asks for a client certificate where it should, and says how to continue without', async (t) => {
    const certificates = makeCertificates(t);
    const log = new FakeLog('order_events');
    const settings = testSettings({
      TLS_CERT_FILE: certificates.server.cert,
      TLS_KEY_FILE: certificates.server.key,
      TLS_CLIENT_CA_FILE: certificates.ca,
    });
    const service = await startProducer(settings, log, createLogger('silent'));
    t.after(() => service.stop());
    const ask = (path: string, client: object = {}) =>
      new Promise<{ status?: number | undefined; hsts?: string | undefined }>((resolve, reject) => {
        const options = { ca: certificates.read('ca'), ...client };
        get(`https://localhost:${service.port}${path}`, options, (answer) => {
          answer.resume();
          const hsts = answer.headers['strict-transport-security'];
          resolve({ status: answer.statusCode, hsts });
        }).on('error', reject);
      });
    assert.equal((await ask('/events/x')).status, 403);
    const own = { cert: certificates.read('client.cert'), key: certificates.read('client.key') };
    assert.equal((await ask('/events/x', own)).status, 307);
    const health = await ask('/health');
    assert.ok(health.status === 200 || health.status === 503);
    assert.match(health.hsts ?? '', /max-age/);
    await assert.rejects(ask('/health', { maxVersion: 'TLSv1.1' }), /protocol|version|alert/i);
    await assert.rejects(ask('/health', { ca: [] }), { code: /UNABLE|SELF_SIGNED/ });
  });

  it('takes renewed certificates into use without a restart, and keeps the old where they are broken', async (t) => {
    const [old, renewed] = [makeCertificates(t), makeCertificates(t)];
    const settings = testSettings({
      TLS_CERT_FILE: old.server.cert,
      TLS_KEY_FILE: old.server.key,
    });
    const service = await startProducer(settings, new FakeLog('t'), createLogger('silent'));
    t.after(() => service.stop());
    /** The CA of the server's present certificate, and the warnings of the health page. */
    const look = (by: typeof old) =>
      new Promise<{ warnings: string[] }>((resolve, reject) => {
        const options = { ca: by.read('ca'), agent: false } as const;
        get(`https://localhost:${service.port}/health`, options, (answer) => {
          answer.setEncoding('utf8');
          let body = '';
          answer.on('data', (chunk) => {
            body += chunk;
          });
          answer.on('end', () => resolve(JSON.parse(body)));
        }).on('error', reject);
      });
    assert.deepEqual((await look(old)).warnings, []);
    copyFileSync(renewed.server.cert, old.server.cert);
    await until('half a pair is noticed', async () =>
      (await look(old)).warnings.some((line) => /changed certificates are not in use/.test(line)),
    );
    copyFileSync(renewed.server.key, old.server.key);
    await until('the renewed ones are in use', async () => {
      const health = await look(renewed).catch(() => null);
      return health !== null && health.warnings.length === 0;
    });
    await assert.rejects(look(old));
  });

  it('refuses certificates that would fail with the first connection only', (t) => {
    const { server, ca, folder } = makeCertificates(t);
    const write = (name: string, content: string | Buffer) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const rsa = write('rsa.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const half = write('half.pem', readFileSync(ca).subarray(0, 200));
    const wrong: [Record<string, string>, RegExp][] = [
      [{ TLS_KEY_FILE: rsa }, /TLS_KEY_FILE is not the private key of TLS_CERT_FILE/],
      [{ TLS_KEY_FILE: ca }, /TLS_KEY_FILE: /],
      [{ TLS_CERT_FILE: server.key }, /TLS_CERT_FILE: /],
      [{ TLS_CLIENT_CA_FILE: half }, /TLS_CLIENT_CA_FILE: /],
      [{ TLS_CLIENT_CA_FILE: write('empty.pem', '') }, /TLS_CLIENT_CA_FILE: /],
    ];
    for (const [env, message] of wrong) {
      const pair = { TLS_CERT_FILE: server.cert, TLS_KEY_FILE: server.key };
      const settings = testSettings({ ...pair, ...env });
      assert.throws(() => serverTlsOf(settings), { code: 'SETTING_INVALID', message });
    }
  });

  it('starts with half a pair of files never', async () => {
    const settings = testSettings({ TLS_CERT_FILE: '/x' });
    const starting = startProducer(settings, new FakeLog('t'), createLogger('silent'));
    await assert.rejects(starting, {
      code: 'SETTING_INVALID',
      message: /Only one of TLS_CERT_FILE and TLS_KEY_FILE/,
    });
  });
});
