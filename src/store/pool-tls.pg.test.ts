/** `sslmode` in DATABASE_URL, towards a PostgreSQL that speaks TLS. */
import assert from 'node:assert/strict';
import { chown, stat } from 'node:fs/promises';
import { it } from 'node:test';
import { makeCertificates, NO_OPENSSL } from '../../test/support/certificates.ts';
import { asAdmin, createDatabase } from '../../test/support/database.ts';
import { until } from '../../test/support/until.ts';
import { createPool } from './pool.ts';

it('sslmode=verify-full wants the right authority and the right host', {
  skip: NO_OPENSSL,
}, async (t) => {
  const { pool: admin, url } = await createDatabase(t);
  // Not in a transaction, as each statement of a pool is.
  const alterSystem = (what: string) => asAdmin((it) => it.query(`ALTER SYSTEM ${what}`));
  const { folder, ca, server } = makeCertificates(t);
  const { rows } = await admin.query('SHOW data_directory');
  const { uid, gid } = await stat(rows[0].data_directory);
  for (const path of [folder, server.key, server.cert]) await chown(path, uid, gid);
  for (const [name, value] of [
    ['ssl_cert_file', server.cert],
    ['ssl_key_file', server.key],
  ]) {
    await alterSystem(`SET ${name} = '${value}'`);
  }
  await alterSystem('SET ssl = on');
  await admin.query('SELECT pg_reload_conf()');
  const ask = async (host: string, query: string) => {
    const its = new URL(`${url}?${query}`);
    its.hostname = host;
    const limits = { connectionsMax: 1, queryTimeoutMs: 5000 };
    const pool = createPool({ connectionString: its.href, name: 'test', ...limits });
    try {
      const answer = await pool.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
      return answer.rows[0].ssl;
    } finally {
      await pool.end();
    }
  };
  try {
    await until('it speaks TLS', () => ask('127.0.0.1', 'sslmode=no-verify').catch(() => false));
    const verified = `sslmode=verify-full&sslrootcert=${encodeURIComponent(ca)}`;
    assert.equal(await ask('127.0.0.1', verified), true);
    assert.equal(await ask('localhost', verified), true);
    // A name of this machine that the certificate does not hold.
    await assert.rejects(ask('127.0.0.2', verified), /altnames|certificate|ECONNREFUSED/i);
    await assert.rejects(ask('127.0.0.1', 'sslmode=verify-full'), /certificate/i);
  } finally {
    await alterSystem('RESET ALL');
    await admin.query('SELECT pg_reload_conf()');
  }
});
