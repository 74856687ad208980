/** A fresh, migrated database per test, cloned from a template on the run's PostgreSQL. */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import pg from 'pg';
import { migrate } from '../../src/store/migrate.ts';
import { createPool, type Pool } from '../../src/store/pool.ts';
import { TcpProxy } from './tcp-proxy.ts';

const TEMPLATE = 'orderonce_template';
const TEMPLATE_LOCK = 99;

export type TestDatabase = { readonly url: string; readonly name: string; readonly pool: Pool };

/** Dropped after the test, pass or fail. */
export async function createDatabase(t: TestContext): Promise<TestDatabase> {
  return await cloneOf(t, TEMPLATE, ensureTemplate);
}

/** Without tables. @param options of CREATE DATABASE. */
export async function createEmptyDatabase(t: TestContext, options = ''): Promise<TestDatabase> {
  return await cloneOf(t, `template0 ${options}`, async () => {});
}

/** A backup, taken at once: what a restore to this moment would bring back. */
export async function backUp(t: TestContext, { name }: TestDatabase): Promise<TestDatabase> {
  return await cloneOf(t, name, async (admin) => {
    // A template must not be in use; pools connect again by themselves.
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
      name,
    ]);
  });
}

/** The database once more, by a way that can hang, cut, or lose what passes. */
export async function throughProxy(t: TestContext, { url }: { readonly url: string }) {
  const { hostname: host, port } = new URL(url);
  const proxy = await TcpProxy.start(t, { host, port: Number(port) });
  const proxied = new URL(url);
  proxied.port = String(proxy.port);
  // A fault looks into what passes.
  proxied.searchParams.set('sslmode', 'disable');
  const viaProxy = openPool(proxied.href);
  // Told, not looked for: what passes first is the test's own.
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

/** Made once per run, by whichever test file comes first. */
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
