import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { createEmptyDatabase, openPool } from '../../test/support/database.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { contextIn } from '../../test/support/heart.ts';
import { createRole } from '../../test/support/roles.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { joinSchema } from '../settings/schema-url.ts';
import { verify } from '../verify/verify.ts';
import { assertMigrated } from './assert-migrated.ts';
import { USUAL_MODEL } from './event-model.ts';
import { migrate } from './migrate.ts';
import { ORDERS, type Projection } from './orders-projection.ts';
import type { Pool } from './pool.ts';

/** Tables that tools of an application create in `public`, with names that Orderonce uses. */
const FOREIGN = {
  Rails: `CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
          INSERT INTO schema_migrations VALUES ('20260101000000')`,
  Ecto: `CREATE TABLE schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp(0));
         INSERT INTO schema_migrations VALUES (20260101000000, now())`,
  'golang-migrate': `CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
                     INSERT INTO schema_migrations VALUES (7, false)`,
  'its own orders': `CREATE TABLE orders (id bigserial PRIMARY KEY, status text);
                     INSERT INTO orders (status) VALUES ('paid')`,
  'a view, a type and an index': `CREATE VIEW outbox AS SELECT 1; CREATE TYPE logs AS (n int);
                                  CREATE TABLE t (n int); CREATE INDEX conflicts_event_id ON t (n)`,
};

function poolOf(t: TestContext, url: string, schema?: string): Pool {
  const pool = openPool(joinSchema(url, schema));
  t.after(() => pool.end());
  return pool;
}

/** Everything in `public` as text, including rows. */
async function publicAsText(pool: Pool): Promise<string> {
  const { rows } = await pool.query(
    `SELECT c.relname, c.relkind, CASE WHEN c.relkind = 'r' THEN query_to_xml(
       format('SELECT * FROM %I.%I', 'public', c.relname), true, false, '')::text END AS content
       FROM pg_class c WHERE relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  return JSON.stringify(rows);
}

/** Stores two events, sends one of them again, and verifies the account. */
async function assertWorks(pool: Pool, projection: Projection | null = ORDERS): Promise<void> {
  const context = await contextIn(pool);
  const event = wireEvent();
  const slice = sliceOfEvents(0, [event, event, wireEvent()]);
  const outcome = await processBatch({ ...context, projection }, slice);
  assert.deepEqual([outcome.stored, outcome.duplicates.length], [2, 1]);
  const options = {
    topic: 'order_events',
    receipts: null,
    reader: null,
    onStep: () => {},
    ...USUAL_MODEL,
  };
  const verdict = await verify(pool, { ...options, handlers: [], projection });
  assert.equal(verdict.isProven, true, JSON.stringify(verdict));
}

/** Runs a text with its own BEGIN and COMMIT. A pool would run it inside a transaction. */
async function asOwner(pool: Pool, text: string): Promise<void> {
  const client = await pool.connect();
  await client.query(text);
  client.release();
}

describe('migrate', () => {
  for (const [whose, sql] of Object.entries(FOREIGN)) {
    it(`leaves alone what an application has in public: ${whose}`, async (t) => {
      const { pool, url } = await createEmptyDatabase(t);
      await pool.query(sql);
      const before = await publicAsText(pool);
      await migrate(pool);
      assert.equal(pool.schema, 'orderonce');
      await assertWorks(pool);
      assert.equal(await publicAsText(pool), before);
      // Another process finds the same tables without the setting, and a second run changes
      // nothing.
      const other = poolOf(t, url);
      await assertMigrated(other);
      assert.deepEqual([await migrate(other), other.schema], [[], 'orderonce']);
    });
  }

  it('takes public where nothing is in the way, and stays there when an application comes', async (t) => {
    const { pool, url } = await createEmptyDatabase(t);
    await pool.query('CREATE TABLE charges (id int); CREATE SCHEMA orderonce');
    await migrate(pool);
    assert.equal(pool.schema, 'public');
    await assertWorks(pool);
    assert.equal((await pool.query('SELECT FROM processed_events')).rowCount, 2);
    await pool.query('CREATE SCHEMA app; CREATE TABLE app.schema_migrations (version text)');
    const later = poolOf(t, url);
    assert.deepEqual([await migrate(later), later.schema], [[], 'public']);
  });

  it('finds tables that lie in another schema since a search_path said so once', async (t) => {
    const { pool, url, name } = await createEmptyDatabase(t);
    const first = poolOf(t, url, 'shop');
    await migrate(first);
    await pool.query(`ALTER DATABASE ${name} SET search_path = nowhere`);
    const later = poolOf(t, url);
    assert.deepEqual([await migrate(later), later.schema], [[], 'shop']);
    await assertWorks(later);
  });

  it('makes the schema that is set, whatever its name', async (t) => {
    const { url } = await createEmptyDatabase(t);
    for (const schema of ['We"ird $& schéma', "it's; DROP", 'SELECT', 'orderonce.x', 'a$$b']) {
      const pool = poolOf(t, url, schema);
      await migrate(pool);
      await assertWorks(pool);
      const { rows } = await pool.query(
        `SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
          WHERE relname = 'processed_events' AND nspname = $1`,
        [schema],
      );
      assert.equal(rows.length, 1, schema);
    }
  });

  it('asks which is meant where two schemas have the tables, and keeps them apart', async (t) => {
    const { url } = await createEmptyDatabase(t);
    const [one, two, unset] = [poolOf(t, url, 'one'), poolOf(t, url, 'two'), poolOf(t, url)];
    await migrate(one);
    await migrate(two);
    await assertWorks(one);
    await assertWorks(two);
    const ambiguous = { code: 'SCHEMA_AMBIGUOUS', message: /"one", "two".*DATABASE_SCHEMA/ };
    await assert.rejects(migrate(unset), ambiguous);
    await assert.rejects(assertMigrated(unset), ambiguous);
  });

  it('refuses a schema that is set and holds tables of an application, and says so', async (t) => {
    const { pool, url } = await createEmptyDatabase(t);
    await pool.query('CREATE TABLE schema_migrations (version bigint)');
    const fixed = poolOf(t, url, 'public');
    const taken = { code: 'SCHEMA_TAKEN', message: /DATABASE_SCHEMA/ };
    await assert.rejects(migrate(fixed), taken);
    await assert.rejects(assertMigrated(fixed), taken);
    assert.equal(
      (await pool.query('SELECT FROM pg_tables WHERE schemaname = $1', ['public'])).rowCount,
      1,
    );
  });

  it('gives an administrator the statement where the role may not make the schema', async (t) => {
    const { pool, url } = await createEmptyDatabase(t);
    await pool.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    const role = await createRole(t, url);
    const its = poolOf(t, role.url);
    let statement = '';
    await assert.rejects(migrate(its), (error: Error & { code: string }) => {
      statement = /run: (.*)/.exec(error.message)?.[1] ?? '';
      return error.code === 'SCHEMA_FORBIDDEN';
    });
    assert.equal(statement, `CREATE SCHEMA "orderonce" AUTHORIZATION "${role.name}"`);
    await pool.query(statement);
    await migrate(its);
    assert.equal(its.schema, 'orderonce');
    await assertWorks(its);
    const other = poolOf(t, role.url, 'public');
    await assert.rejects(migrate(other), {
      message: /run: GRANT USAGE, CREATE ON SCHEMA "public"/,
    });
  });

  for (const encoding of ['LATIN1', 'SQL_ASCII', 'EUC_JP']) {
    it(`refuses a database in ${encoding}, and so does the look at the tables`, async (t) => {
      const { pool } = await createEmptyDatabase(
        t,
        `ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C'`,
      );
      const refusal = {
        code: 'DATABASE_NOT_UTF8',
        message: new RegExp(`${encoding}.*ENCODING 'UTF8'`),
      };
      await assert.rejects(migrate(pool), refusal);
      await assert.rejects(assertMigrated(pool), refusal);
      assert.equal(
        (await pool.query("SELECT FROM pg_tables WHERE schemaname = 'public'")).rowCount,
        0,
      );
    });
  }
});

describe('ORDERS_PROJECTION=off', () => {
  const off = { projection: null };

  it('makes no table orders, and does without one', async (t) => {
    const { pool } = await createEmptyDatabase(t);
    await migrate(pool, off);
    assert.equal((await pool.query("SELECT to_regclass('orders') AS it")).rows[0].it, null);
    await assertWorks(pool, null);
    await assertMigrated(pool, off);
    await assert.rejects(assertMigrated(pool), { code: 'NOT_MIGRATED', message: /orders/ });
  });

  it("shares a schema with an application's table orders, until it is switched on", async (t) => {
    const { pool } = await createEmptyDatabase(t);
    await pool.query(FOREIGN['its own orders']);
    await migrate(pool, off);
    assert.equal(pool.schema, 'public');
    await assertWorks(pool, null);
    await assert.rejects(migrate(pool), { code: 'SCHEMA_TAKEN', message: /ORDERS_PROJECTION=off/ });
    await assert.rejects(assertMigrated(pool), { code: 'SCHEMA_TAKEN' });
    assert.deepEqual((await pool.query('SELECT id, status FROM orders')).rows, [
      { id: 1, status: 'paid' },
    ]);
  });

  it('switched on later begins with what is processed from then on, and verify names the rest', async (t) => {
    const { pool } = await createEmptyDatabase(t);
    await migrate(pool, off);
    await assertWorks(pool, null);
    assert.deepEqual(await migrate(pool), ['orders']);
    await assertMigrated(pool);
    const context = await contextIn(pool);
    await processBatch(context, sliceOfEvents(3, [wireEvent()]));
    const options = {
      topic: 'order_events',
      receipts: null,
      reader: null,
      onStep: () => {},
      ...USUAL_MODEL,
    };
    const { rows } = await verify(pool, { ...options, handlers: [] });
    assert.deepEqual(
      rows.map(({ kind }) => kind),
      ['effect', 'effect'],
    );
    assert.deepEqual(await migrate(pool), []);
    // As the documentation says.
    const [, rebuild = ''] =
      /```sql\n(BEGIN;\n[^`]*)```/.exec(readFileSync('docs/operations.md', 'utf8')) ?? [];
    await asOwner(pool, rebuild);
    assert.equal((await verify(pool, { ...options, handlers: [] })).isProven, true);
  });
});
