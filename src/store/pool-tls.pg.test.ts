/** `sslmode` and its files in DATABASE_URL, with a PostgreSQL that supports TLS. */
import assert from 'node:assert/strict';
import { chown, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { makeCertificates, NO_OPENSSL } from '../../test/support/certificates.ts';
import { openPool } from '../../test/support/database.ts';
import { until } from '../../test/support/until.ts';
import { startEmbeddedPostgres } from '../embedded/embedded-postgres.ts';
import { createPool } from './pool.ts';

async function setUp(t: TestContext) {
  // A separate server, because connections through the proxies of other tests must stay
  // unencrypted.
  const place = await mkdtemp(join(tmpdir(), 'orderonce-tls-'));
  const postgres = await startEmbeddedPostgres(place, () => {});
  const admin = openPool(postgres.url);
  t.after(async () => {
    await admin.end();
    await postgres.stop();
    await rm(place, { recursive: true, force: true });
  });
  const certificates = makeCertificates(t);
  const { folder, ca, server, stranger } = certificates;
  const { rows } = await admin.query('SHOW data_directory');
  const { uid, gid } = await stat(rows[0].data_directory);
  for (const path of [folder, ca, server.key, server.cert, stranger.key, stranger.cert]) {
    await chown(path, uid, gid);
  }
  /** Whether the session is encrypted, and the subject of the client certificate. */
  const ask = async (query: string, host = '127.0.0.1') => {
    const its = new URL(`${postgres.url}?${query}`);
    its.hostname = host;
    const limits = { connectionsMax: 1, queryTimeoutMs: 5000 };
    const pool = createPool({ connectionString: its.href, name: 'test', ...limits });
    try {
      const answer = await pool.query(
        'SELECT ssl, client_dn AS client FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      );
      return answer.rows[0];
    } finally {
      await pool.end();
    }
  };
  // Outside a transaction; a pool would run it in one.
  const alterSystem = async (what: string) => {
    const session = await admin.connect();
    try {
      await session.query(`ALTER SYSTEM ${what}`);
    } finally {
      session.release();
    }
  };
  const present = async ({ cert, key }: { cert: string; key: string }) => {
    const files = { ssl_cert_file: cert, ssl_key_file: key, ssl_ca_file: ca };
    for (const [name, value] of Object.entries(files)) {
      await alterSystem(`SET ${name} = '${value}'`);
    }
    await alterSystem('SET ssl = on');
    await admin.query('SELECT pg_reload_conf()');
  };
  const path = encodeURIComponent;
  return { ...certificates, ask, present, path };
}

it('sslmode means what it means to libpq', { skip: NO_OPENSSL }, async (t) => {
  const { ask, present, path, ca, server, stranger, client } = await setUp(t);
  const isEncrypted = async (query: string, host?: string) => (await ask(query, host)).ssl;
  assert.equal(await isEncrypted('sslmode=prefer'), false);
  await assert.rejects(ask('sslmode=require'), /does not support SSL/);

  await present(server);
  await until('it speaks TLS', () => isEncrypted('sslmode=no-verify').catch(() => false));
  for (const [mode, encrypts] of [
    ['disable', false],
    ['allow', false],
    ['prefer', true],
    ['require', true],
    ['no-verify', true],
  ] as const) {
    assert.equal(await isEncrypted(`sslmode=${mode}`), encrypts, mode);
  }
  assert.equal(await isEncrypted(''), true);
  const authority = `sslrootcert=${path(ca)}`;
  for (const mode of ['require', 'verify-ca', 'verify-full']) {
    assert.equal(await isEncrypted(`sslmode=${mode}&${authority}`), true, mode);
    // Not the authority: it has not signed the server's certificate.
    const other = `sslrootcert=${path(client.cert)}`;
    await assert.rejects(ask(`sslmode=${mode}&${other}`), /certificate/i, mode);
  }
  assert.equal(await isEncrypted(`sslmode=verify-full&${authority}`, 'localhost'), true);
  await assert.rejects(ask('sslmode=verify-full'), /certificate/i);
  await assert.rejects(ask('sslmode=verify-full&sslrootcert=system'), /certificate/i);
  await assert.rejects(ask('sslmode=require&sslrootcert=/none'), /sslrootcert cannot be read/);

  const ours = `sslcert=${path(client.cert)}&sslkey=${path(client.key)}`;
  assert.equal((await ask(`sslmode=verify-full&${authority}&${ours}`)).client, '/CN=client');

  await present(stranger);
  await until('it has the certificate of another host', () =>
    ask(`sslmode=verify-full&${authority}`).then(
      () => false,
      (error: Error) => /altnames|does not match/i.test(error.message),
    ),
  );
  assert.equal(await isEncrypted(`sslmode=verify-ca&${authority}`), true);
});
