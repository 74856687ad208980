/** A new, migrated database for each test, cloned from a template on the PostgreSQL of the run. */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import pg from 'pg';
import { migrate } from '../../src/store/migrate.ts';
import { createPool, type Pool } from '../../src/store/pool.ts';
import { TcpProxy } from './tcp-proxy.ts';

const TEMPLATE = 'orderonce_template';
const TEMPLATE_LOCK = 99;

export type TestDatabase = { readonly url: string; readonly name: string; readonly pool: Pool };

/** A database with the tables. It is dropped after the test, whether that passes or fails. */
export async function createDatabase(t: TestContext): Promise<TestDatabase> {
  return await cloneOf(t, TEMPLATE, ensureTemplate);
}

/** A database without tables. @param options further options of CREATE DATABASE. */
export async function createEmptyDatabase(t: TestContext, options = ''): Promise<TestDatabase> {
  return await cloneOf(t, `template0 ${options}`, async () => {});
}

/** A copy of the database at this moment, as a restored backup would be. */
export async function backUp(t: TestContext, { name }: TestDatabase): Promise<TestDatabase> {
  return await cloneOf(t, name, async (admin) => {
    // A template must have no connections. Pools reconnect when they need to.
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
      name,
    ]);
  });
}

/** Access to the same database through a proxy that can delay, cut or drop the traffic. */
export async function throughProxy(t: TestContext, { url }: { readonly url: string }) {
  const { hostname: host, port } = new URL(url);
  const proxy = await TcpProxy.start(t, { host, port: Number(port) });
  const proxied = new URL(url);
  proxied.port = String(proxy.port);
  // Faults inspect the traffic, so it must not be encrypted.
  proxied.searchParams.set('sslmode', 'disable');
  const viaProxy = openPool(proxied.href);
  // The pool would look for the schema; then its first statements would not be those of the test.
  viaProxy.useSchema('public');
  t.after(() => viaProxy.end());
  return { proxy, viaProxy, url: proxied.href };
}

async function cloneOf(
  t: TestContext,
  template: string,
  prepare: (admin: pg.Client) => Promise<void>,
): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin(async (admin) => {
    await prepare(admin);
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  });
  const url = urlOf(name);
  const pool = openPool(url);
  t.after(async () => {
    await pool.end();
    await asAdmin((admin) => admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  });
  return { url, name, pool };
}

export function openPool(url: string): Pool {
  const limits = { connectionsMax: 10, queryTimeoutMs: 60_000 };
  return createPool({ connectionString: url, name: 'test', ...limits });
}

export function urlOf(database: string): string {
  const url = new URL(process.env.TEST_DATABASE_URL ?? fail());
  url.pathname = `/${database}`;
  return url.href;
}

function fail(): never {
  throw new Error('Run the tests through "npm test": it brings PostgreSQL up');
}

export async function asAdmin<T>(work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: urlOf('postgres') });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

/** Creates the template once per run; the first test file that needs it does so. */
async function ensureTemplate(admin: pg.Client): Promise<void> {
  await admin.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    const found = await admin.query('SELECT FROM pg_database WHERE datname = $1', [TEMPLATE]);
    if (found.rowCount !== 0) return;
    const fresh = `${TEMPLATE}_new`;
    await admin.query(`DROP DATABASE IF EXISTS ${fresh}`);
    await admin.query(`CREATE DATABASE ${fresh}`);
    const pool = openPool(urlOf(fresh));
    await migrate(pool);
    await pool.end();
    await admin.query(`ALTER DATABASE ${fresh} RENAME TO ${TEMPLATE}`);
  } finally {
    await admin.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}
