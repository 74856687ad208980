/** A session that has become unusable is not kept, whatever the cause. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { asAdmin, createDatabase, type TestDatabase } from '../../test/support/database.ts';
import { until } from '../../test/support/until.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';
import { noteForeignCode } from './session.ts';
import { prepared } from './statement-names.ts';
import { inTransaction } from './transaction.ts';

const LIMITS = { lockMs: 500, statementMs: 3000, idleMs: 3000 };
const HOT = prepared('SELECT count(*) AS n FROM things WHERE id <> $1');

async function setUp(t: TestContext, options: Partial<PoolOptions> = {}) {
  const db = await createDatabase(t);
  const limits = { connectionsMax: 1, queryTimeoutMs: 5000 };
  const pool = createPool({ connectionString: db.url, name: 'test', ...limits, ...options });
  t.after(() => pool.end());
  await db.pool.query('CREATE TABLE things (id int PRIMARY KEY)');
  return { db, pool };
}

async function pidOf(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

const insert = (pool: Pool, id: number) =>
  inTransaction(pool, LIMITS, (tx) => tx.query('INSERT INTO things VALUES ($1)', [id]));

const endSessions = ({ name }: TestDatabase) =>
  asAdmin((admin) =>
    admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
      name,
    ]),
  );

describe('A pool', () => {
  it('writes again as soon as a database is no longer read-only [G6]', async (t) => {
    const { db, pool } = await setUp(t);
    await insert(pool, 1);
    const set = (what: string) =>
      asAdmin((admin) => admin.query(`ALTER DATABASE ${db.name} ${what}`));
    await set('SET default_transaction_read_only = on');
    await endSessions(db);
    for (let i = 0; i < 3; i++) await assert.rejects(insert(pool, 2));
    await set('RESET default_transaction_read_only');
    await insert(pool, 2);
  });

  it('keeps no session that cannot write, though it is only read with', async (t) => {
    const { db, pool } = await setUp(t);
    await asAdmin((admin) =>
      admin.query(`ALTER DATABASE ${db.name} SET default_transaction_read_only = on`),
    );
    assert.notEqual(await pidOf(pool), await pidOf(pool));
    // The server reports the change to the open session.
    await asAdmin((admin) =>
      admin.query(`ALTER DATABASE ${db.name} RESET default_transaction_read_only`),
    );
    const before = await pidOf(pool);
    assert.equal(await pidOf(pool), before);
    await pool.query("SELECT set_config('default_transaction_read_only', 'on', false)");
    assert.notEqual(await pidOf(pool), before);
  });

  it('keeps a session after an error of the statement, and no other', async (t) => {
    const { pool } = await setUp(t);
    await insert(pool, 1);
    const keeps = async (text: string) => {
      const before = await pidOf(pool);
      await assert.rejects(inTransaction(pool, LIMITS, (tx) => tx.query(text)));
      return (await pidOf(pool)) === before;
    };
    const raise = (state: string) => `DO $$ BEGIN RAISE SQLSTATE '${state}'; END $$`;
    for (const state of ['22012', '23505', '23514', '40001', '40P01', '55P03', 'P0001']) {
      assert.equal(await keeps(raise(state)), true, state);
    }
    const others = ['0A000', '25006', '26000', '42P05', '42501', '3F000', '58030', 'XX000'];
    for (const state of [...others, '28000', '53100', '57014', 'XX002', 'ZZ999']) {
      assert.equal(await keeps(raise(state)), false, state);
    }
    assert.equal(await keeps('INSERT INTO things VALUES (1)'), true);
    assert.equal(await keeps('SELECT FROM nowhere'), false);
  });

  it('sees an error that was swallowed behind a savepoint', async (t) => {
    const { pool } = await setUp(t);
    const before = await pidOf(pool);
    await inTransaction(pool, LIMITS, async (tx) => {
      await tx.query('SAVEPOINT s');
      await tx.query('SELECT FROM nowhere').catch(() => {});
      await tx.query('ROLLBACK TO SAVEPOINT s');
    });
    assert.notEqual(await pidOf(pool), before);
  });

  it('keeps none that is given back inside a transaction, or with a statement under way', async (t) => {
    const { pool } = await setUp(t);
    const before = await pidOf(pool);
    const open = await pool.connect();
    await open.query('BEGIN');
    open.release();
    const after = await pidOf(pool);
    assert.notEqual(after, before);
    const busy = await pool.connect();
    const sleeping = assert.rejects(busy.query('SELECT pg_sleep(60)'), /terminated/);
    busy.release();
    await sleeping;
    assert.notEqual(await pidOf(pool), after);
    assert.throws(() => busy.release(), /released already/);
  });

  it('recovers from lost prepared statements and from plans for what is gone', async (t) => {
    const { db, pool } = await setUp(t, { prepares: true });
    const hot = () => inTransaction(pool, LIMITS, (tx) => tx.query(HOT, [0]));
    await hot();
    await pool.query('DEALLOCATE ALL');
    await assert.rejects(hot(), { code: '26000' });
    await hot();
    // The result now has another type, so PostgreSQL says "cached plan must not change result
    // type".
    await db.pool.query('DROP TABLE things; CREATE TABLE things (id text PRIMARY KEY)');
    await hot().catch(() => {});
    await hot();
  });

  it('drops all that are older than one that broke', async (t) => {
    const { db, pool } = await setUp(t, { connectionsMax: 4 });
    const sessions = await Promise.all([1, 2, 3, 4].map(() => pool.connect()));
    for (const session of sessions) session.release();
    await endSessions(db);
    // At most one failure, however many sessions were kept.
    await pidOf(pool).catch(() => {});
    for (let i = 0; i < 4; i++) await pidOf(pool);
  });

  it('replaces a session at the end of its lifetime, and not in the middle of its use', async (t) => {
    const { pool } = await setUp(t, { lifetimeMs: 300 });
    const session = await pool.connect();
    const pid = async () => (await session.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
    const before = await pid();
    await session.query('SELECT pg_sleep(0.4)');
    assert.equal(await pid(), before);
    session.release();
    assert.notEqual(await pidOf(pool), before);
  });

  it('opens no more sessions than it may, and serves those who wait in order', async (t) => {
    const { pool } = await setUp(t, { connectionsMax: 2 });
    const served: number[] = [];
    const ask = async (n: number) => {
      await pool.query('SELECT pg_sleep(0.05)');
      served.push(n);
      return await pidOf(pool);
    };
    const pids = await Promise.all([1, 2, 3, 4, 5, 6].map(ask));
    assert.ok(new Set(pids).size <= 2);
    assert.deepEqual(served.slice(0, 2).sort(), [1, 2]);
    const all = await Promise.all([pool.connect(), pool.connect()]);
    await assert.rejects(pool.query('SELECT 1'), { code: 'DATABASE_UNAVAILABLE' });
    for (const session of all) session.release();
    await pool.query('SELECT 1');
  });

  it('gives a session that handlers used to the next one as it was at the beginning', async (t) => {
    const { db, pool } = await setUp(t);
    const left = `SELECT set_config('search_path', 'nowhere', false),
      set_config('role', 'pg_monitor', false), pg_advisory_lock(7),
      set_config('statement_timeout', '1', false)`;
    const session = await pool.connect();
    await session.query('CREATE TEMP TABLE scratch (id int)');
    await session.query(left);
    noteForeignCode(session);
    session.release();
    // Not by pool.query(), which runs in a transaction with its own limits.
    const { rows } = await until('it is clean', async () => {
      const next = await pool.connect();
      try {
        return await next.query(`SELECT current_setting('search_path') AS path,
          current_user = session_user AS me, to_regclass('pg_temp.scratch') AS scratch,
          current_setting('statement_timeout') AS ms`);
      } finally {
        next.release();
      }
    });
    assert.deepEqual(rows, [{ path: '"$user", public', me: true, scratch: null, ms: '0' }]);
    const free = await db.pool.query('SELECT pg_try_advisory_lock(7) AS free');
    assert.equal(free.rows[0].free, true);
  });
});
