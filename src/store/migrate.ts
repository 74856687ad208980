import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { OrderonceError } from '../errors.ts';
import type { Pool, Queryable } from './pool.ts';

const FOLDER = new URL('./migrations/', import.meta.url);
const GRANTS = new URL('./grants.sql', import.meta.url);

/** Any fixed number: whoever migrates this database takes this lock first. */
const LOCK = 7_140_211_001;

type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };

/**
 * Brings the tables up to this release, in one transaction: all or nothing. Run twice at once, the
 * second waits for the first and finds nothing to do. Rights are granted anew each time: a role
 * may have been made since.
 *
 * @returns the names of the migrations that were applied now.
 * @throws MIGRATION_CHANGED when an applied one differs from its file.
 */
export async function migrate(pool: Pool): Promise<string[]> {
  const migrations = await readMigrations();
  const client = await pool.connect();
  let done = false;
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    await client.query(
      `CREATE TABLE IF NOT EXISTS schema_migrations (
         name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
    );
    const applied = await readApplied(client);
    const missing = migrations.filter(({ name }) => !applied.has(name));
    assertUnchanged(migrations, applied);
    for (const { name, sql, checksum } of missing) {
      await client.query(sql);
      await client.query('INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)', [
        name,
        checksum,
      ]);
    }
    await client.query(await readFile(GRANTS, 'utf8'));
    await client.query('COMMIT');
    done = true;
    return missing.map(({ name }) => name);
  } finally {
    // A connection that failed in the middle is dropped, and its transaction with it.
    client.release(!done);
  }
}

/**
 * @throws NOT_MIGRATED when a table of this release is missing. A newer database is fine: its
 * migrations only add.
 */
export async function assertMigrated(db: Queryable): Promise<void> {
  const { rows } = await db.query<{ exists: boolean }>(
    `SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`,
  );
  const applied = rows[0]?.exists ? await readApplied(db) : new Map<string, string>();
  const missing = (await readMigrations()).filter(({ name }) => !applied.has(name));
  if (missing.length === 0) return;
  throw new OrderonceError(
    'NOT_MIGRATED',
    `The database lacks ${missing.map(({ name }) => name).join(', ')}: run "orderonce migrate"`,
  );
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, FOLDER), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function readApplied(db: Queryable): Promise<Map<string, string>> {
  const { rows } = await db.query<{ name: string; checksum: string }>(
    'SELECT name, checksum FROM schema_migrations',
  );
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
}

function assertUnchanged(migrations: Migration[], applied: Map<string, string>): void {
  for (const { name, checksum } of migrations) {
    if (!applied.has(name) || applied.get(name) === checksum) continue;
    throw new OrderonceError('MIGRATION_CHANGED', `Migration ${name} was applied in another form`);
  }
}
