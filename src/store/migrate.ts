import { readFile } from 'node:fs/promises';
import { OrderonceError, reasonOf } from '../errors.ts';
import { assertUtf8, type MigrateOptions } from './assert-migrated.ts';
import { CORE_TABLES } from './core-tables.ts';
import { recordTypes } from './event-types.ts';
import { migrateHandlers } from './handler-migrations.ts';
import { long, UNLIMITED } from './long-statements.ts';
import {
  assertUnchanged,
  type Migrations,
  readApplied,
  readMigrations,
} from './migration-files.ts';
import { ORDERS } from './orders-projection.ts';
import { ensurePlaceIndex } from './place-index.ts';
import type { Pool } from './pool.ts';
import type { Transaction } from './queryable.ts';
import { findSchemas, OWN_SCHEMA, onlySchema, readSchema, USUAL_SCHEMA } from './schema.ts';
import { sqlStateOf } from './sqlstate.ts';
import { quoted } from './statements.ts';
import { inTransaction } from './transaction.ts';
import { LOCK_MS, whileLocked } from './while-locked.ts';

const GRANTS = new URL('./grants.sql', import.meta.url);
const ORDERS_COLUMNS = new URL('./orders-columns.sql', import.meta.url);
const HANDLER_TRIGGERS = new URL('./handler-triggers.sql', import.meta.url);

/** The advisory lock of `migrate`. The number is arbitrary. */
const LOCK = 7_140_211_001;
const FORBIDDEN = '42501';
/** duplicate_table (also for indexes), duplicate_object, duplicate_function */
const NAME_TAKEN = /^(42P07|42710|42723)$/;

/**
 * Brings the tables to this release in one transaction, so all of it is applied or nothing. If two
 * run at the same time, the second waits for the first and then finds nothing to do. Statements may
 * take any time; if a lock is not free, all is tried again for ten minutes. Rights are granted every
 * time, because a role may have been created since.
 *
 * The schema is that of the pool; it is created if it does not exist. If the pool has none, it is
 * the schema that holds our tables. If no schema does, it is `public` if our names are free there,
 * and otherwise `orderonce`. Afterwards the pool uses this schema.
 *
 * An index that must not block writers is built afterwards (place-index.ts), and then come the files
 * of the handlers, each in a transaction of its own.
 *
 * @returns what was applied: names of files, and `orders` if only that table was missing.
 * @throws DATABASE_NOT_UTF8, SCHEMA_AMBIGUOUS, SCHEMA_TAKEN, SCHEMA_FORBIDDEN, each with the
 * remedy; MIGRATION_CHANGED if an applied migration differs from its file;
 * HANDLER_MIGRATION_CHANGED, HANDLER_MIGRATION_FAILED; DATABASE_UNAVAILABLE if locks are never free.
 */
export async function migrate(pool: Pool, options: MigrateOptions = {}): Promise<string[]> {
  const migrations = await readMigrations();
  const change = () => applyAll(pool, migrations, options);
  const { schema, applied } = await whileLocked(pool, change, options.onWait ?? (() => {}));
  pool.useSchema(schema);
  await ensurePlaceIndex(pool);
  const { handlerMigrations } = options;
  if (handlerMigrations === undefined) return applied;
  return [...applied, ...(await migrateHandlers(pool, handlerMigrations))];
}

async function applyAll(pool: Pool, migrations: Migrations, options: MigrateOptions) {
  return await inTransaction(pool, UNLIMITED, async (tx) => {
    await assertUtf8(tx);
    await tx.query(long(`SELECT pg_advisory_xact_lock(${LOCK})`));
    await tx.query(`SET LOCAL lock_timeout = ${LOCK_MS}`);
    const apply = async (name: string) => {
      return { schema: name, applied: await applyIn(tx, name, migrations, options) };
    };
    const found = pool.schema ?? onlySchema(await findSchemas(tx));
    return found === null ? await applySomewhere(tx, apply) : await apply(found);
  });
}

/** Applies to the usual schema, if it may be used and our names are free in it; else to our own. */
async function applySomewhere<T>(
  tx: Transaction,
  apply: (schema: string) => Promise<T>,
): Promise<T> {
  if ((await readSchema(tx, USUAL_SCHEMA)) === null) return await apply(OWN_SCHEMA);
  await tx.query('SAVEPOINT usual');
  try {
    return await apply(USUAL_SCHEMA);
  } catch (error) {
    const isOfSchema =
      error instanceof OrderonceError && /^SCHEMA_(TAKEN|FORBIDDEN)$/.test(error.code);
    if (!isOfSchema) throw error;
    await tx.query('ROLLBACK TO SAVEPOINT usual');
    return await apply(OWN_SCHEMA);
  }
}

async function applyIn(
  tx: Transaction,
  schema: string,
  { files, orders }: Migrations,
  { projection = ORDERS, declared = null }: MigrateOptions,
): Promise<string[]> {
  const { isOurs, hasOrders } = await ensureSchema(tx, schema);
  // pg_temp last, so that a temporary table of this session cannot be taken for one of ours.
  await asItIs(tx, `SET LOCAL search_path = ${quoted(schema)}, pg_temp`);
  try {
    if (!isOurs) {
      await tx.query(`CREATE TABLE schema_migrations (
        name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
    }
    const applied = await readApplied(tx, 'schema_migrations');
    assertUnchanged(files, applied);
    const missing = files.filter(({ name }) => !applied.has(name));
    for (const { name, sql, checksum } of missing) {
      await asItIs(tx, sql);
      const text = 'INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)';
      await tx.query(text, [name, checksum]);
    }
    const lacksOrders = projection !== null && !hasOrders;
    if (lacksOrders) await asItIs(tx, orders);
    await asItIs(tx, await readFile(ORDERS_COLUMNS, 'utf8'));
    const types = declared === null ? [] : await recordTypes(tx, declared);
    const core = CORE_TABLES.join(',');
    await tx.query(`SELECT set_config('orderonce_core.tables', $1, true)`, [core]);
    await asItIs(tx, await readFile(HANDLER_TRIGGERS, 'utf8'));
    await asItIs(tx, await readFile(GRANTS, 'utf8'));
    return [
      ...missing.map(({ name }) => name),
      ...(lacksOrders && isOurs ? ['orders'] : []),
      ...types,
    ];
  } catch (error) {
    if (!NAME_TAKEN.test(sqlStateOf(error) ?? '')) throw error;
    throw new OrderonceError(
      'SCHEMA_TAKEN',
      `In the schema ${quoted(schema)} another application uses a name that Orderonce needs ` +
        `(${reasonOf(error)}). Set DATABASE_SCHEMA to a schema of Orderonce's own` +
        (schema === OWN_SCHEMA ? '' : `, such as ${OWN_SCHEMA}`) +
        (/"orders"/.test(reasonOf(error)) ? ', or ORDERS_PROJECTION=off' : ''),
      { cause: error },
    );
  }
}

/** Sends a text unchanged. Its names are unqualified, or it contains the schema's name itself. */
async function asItIs(tx: Transaction, text: string): Promise<void> {
  await tx.query(long(text));
}

/**
 * Creates the schema if it does not exist, and checks that tables may be created in it.
 * @throws SCHEMA_FORBIDDEN with the statement that an administrator must run.
 */
async function ensureSchema(tx: Transaction, schema: string) {
  const found = await readSchema(tx, schema);
  if (found?.isOurs) return found;
  const { rows } = await tx.query<{ role: string }>('SELECT current_user AS role');
  const role = quoted(rows[0]?.role ?? '');
  if (found === null) {
    try {
      await asItIs(tx, `CREATE SCHEMA ${quoted(schema)}`);
    } catch (error) {
      if (sqlStateOf(error) !== FORBIDDEN) throw error;
      const remedy = `CREATE SCHEMA ${quoted(schema)} AUTHORIZATION ${role}`;
      throw forbidden(
        `There is no schema ${quoted(schema)}, and ${role} may not create it`,
        remedy,
      );
    }
  } else if (!found.mayCreate) {
    const remedy = `GRANT USAGE, CREATE ON SCHEMA ${quoted(schema)} TO ${role}`;
    throw forbidden(`${role} may not create tables in the schema ${quoted(schema)}`, remedy);
  }
  return { isOurs: false, hasOrders: false };
}

function forbidden(what: string, remedy: string): OrderonceError {
  return new OrderonceError('SCHEMA_FORBIDDEN', `${what}. Let an administrator run: ${remedy}`);
}
