import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { assertMigrated } from './assert-migrated.ts';
import { migrate } from './migrate.ts';
import { createPool } from './pool.ts';

const ACCOUNTS = 'CREATE TABLE accounts (id text PRIMARY KEY);';

async function setUp(t: TestContext, files: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-migrations-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  for (const [name, text] of Object.entries(files)) write(name, text);
  const { pool, url } = await createDatabase(t);
  const run = () => migrate(pool, { handlerMigrations: folder });
  const names = async () => {
    const { rows } = await pool.query('SELECT name FROM handler_migrations ORDER BY name');
    return rows.map(({ name }) => name);
  };
  return { folder, pool, url, write, run, names };
}

describe('HANDLERS_MIGRATIONS', () => {
  it('applies the files in the order of their names, once, and later the new ones', async (t) => {
    const { pool, write, run, names, folder } = await setUp(t, {
      '0002-b.sql': `INSERT INTO accounts VALUES ('a'); INSERT INTO accounts VALUES ('b');`,
      '0001-a.sql': ACCOUNTS,
      'README.md': 'This is no SQL.',
    });
    mkdirSync(join(folder, 'drafts'));
    const options = { handlerMigrations: folder };
    await assert.rejects(assertMigrated(pool, options), {
      code: 'NOT_MIGRATED',
      message: /0001-a\.sql, 0002-b\.sql/,
    });
    assert.deepEqual(await run(), ['0001-a.sql', '0002-b.sql']);
    await assertMigrated(pool, options);
    assert.deepEqual(await run(), []);
    write('0003-c.sql', `INSERT INTO accounts VALUES ('c')`);
    assert.deepEqual(await run(), ['0003-c.sql']);
    assert.equal((await pool.query('SELECT FROM accounts')).rowCount, 3);
    assert.deepEqual(await names(), ['0001-a.sql', '0002-b.sql', '0003-c.sql']);
  });

  it('applies each file once when several processes begin at the same time', async (t) => {
    const { url, folder, names } = await setUp(t, {
      '1.sql': ACCOUNTS,
      '2.sql': `SELECT pg_sleep(0.2); INSERT INTO accounts VALUES ('a')`,
    });
    const one = async () => {
      const options = { connectionsMax: 1, queryTimeoutMs: 30_000 };
      const pool = createPool({ connectionString: url, name: 'test', ...options });
      try {
        return await migrate(pool, { handlerMigrations: folder });
      } finally {
        await pool.end();
      }
    };
    const applied = await Promise.all([one(), one(), one()]);
    assert.deepEqual(applied.flat().sort(), ['1.sql', '2.sql']);
    assert.deepEqual(await names(), ['1.sql', '2.sql']);
  });

  it('lets a file take longer than any other statement of this process may', async (t) => {
    const { url, folder } = await setUp(t, { '1.sql': `${ACCOUNTS} SELECT pg_sleep(1)` });
    const limits = { connectionsMax: 2, queryTimeoutMs: 500 };
    const pool = createPool({ connectionString: url, name: 'test', ...limits });
    t.after(() => pool.end());
    assert.deepEqual(await migrate(pool, { handlerMigrations: folder }), ['1.sql']);
  });

  it('refuses a changed file, and a new file before an applied one, and applies nothing', async (t) => {
    const { write, run, names } = await setUp(t, { '0002-a.sql': ACCOUNTS });
    await run();
    write('0002-a.sql', `${ACCOUNTS} -- changed`);
    write('0003-b.sql', 'CREATE TABLE other (id int)');
    const code = 'HANDLER_MIGRATION_CHANGED';
    await assert.rejects(run(), { code, kind: 'terminal', message: /0002-a\.sql was changed/ });
    write('0002-a.sql', ACCOUNTS);
    write('0001-c.sql', 'CREATE TABLE third (id int)');
    await assert.rejects(run(), { code, message: /rename 0001-c\.sql/ });
    assert.deepEqual(await names(), ['0002-a.sql']);
  });

  it('leaves nothing of a file that fails, and says where it failed', async (t) => {
    const { pool, write, run, names } = await setUp(t, {
      '1.sql': ACCOUNTS,
      '2.sql': 'CREATE TABLE second (id int);\nSELECT\n  nothing_here;',
    });
    const code = 'HANDLER_MIGRATION_FAILED';
    await assert.rejects(run(), { code, message: /^2\.sql, line 3: .*nothing_here/ });
    assert.deepEqual(await names(), ['1.sql']);
    await assert.rejects(pool.query('SELECT FROM second'));
    write('2.sql', 'CREATE TABLE second (id int)');
    assert.deepEqual(await run(), ['2.sql']);
  });

  it('refuses a file that ends its transaction, and a folder that is not there', async (t) => {
    const { pool, run, names } = await setUp(t, { '1.sql': `BEGIN; ${ACCOUNTS} COMMIT;` });
    const code = 'HANDLER_MIGRATION_FAILED';
    await assert.rejects(run(), { code, message: /1\.sql ends its transaction/ });
    assert.deepEqual(await names(), []);
    await assert.rejects(migrate(pool, { handlerMigrations: '/nowhere' }), {
      code,
      message: /HANDLERS_MIGRATIONS .*\/nowhere/,
    });
  });

  it('keeps the settings and the role of one file from the next', async (t) => {
    const { pool, run } = await setUp(t, {
      '1.sql': `CREATE SCHEMA shop; SET search_path = shop; SET ROLE pg_monitor;`,
      '2.sql': ACCOUNTS,
    });
    assert.deepEqual(await run(), ['1.sql', '2.sql']);
    await pool.query('SELECT FROM public.accounts');
  });
});
