/** Checks that the database is what this release needs. Services repeat the check regularly. */

import { OrderonceError } from '../errors.ts';
import type { DeclaredEvents } from '../event/declared-events.ts';
import { assertTypesRecorded } from './event-types.ts';
import { missingHandlerMigrations } from './handler-migrations.ts';
import { readApplied, readMigrations } from './migration-files.ts';
import { ORDERS, type Projection } from './orders-projection.ts';
import type { Queryable } from './queryable.ts';
import { sqlStateOf } from './sqlstate.ts';

/** undefined_table, invalid_schema_name */
const NOT_THERE = /^(42P01|3F000)$/;
const UNDEFINED_COLUMN = '42703';

/** Which tables a deployment has. `migrate` creates them, and services check for them. */
export type MigrateOptions = {
  /**
   * null (ORDERS_PROJECTION=off): the table `orders` is neither created nor needed. An existing one
   * stays. Default: it is needed.
   */
  readonly projection?: Projection | null;
  /** The types of EVENTS_MODULE; null, the default, if it is not set. */
  readonly declared?: DeclaredEvents | null;
  /** HANDLERS_MIGRATIONS: a folder of SQL files, from the working directory. */
  readonly handlerMigrations?: string | undefined;
  /** Called while `migrate` waits for locks, with who holds them. */
  readonly onWait?: ((why: string) => void) | undefined;
};

/**
 * Checks that every migration of this release has been applied. A newer database passes, because
 * migrations only add.
 * @throws NOT_MIGRATED if one is missing, which may still change; DATABASE_NOT_UTF8,
 * SCHEMA_AMBIGUOUS or SCHEMA_TAKEN, for which waiting does not help.
 */
export async function assertMigrated(
  db: Queryable,
  { projection = ORDERS, declared = null, handlerMigrations }: MigrateOptions = {},
): Promise<void> {
  await assertUtf8(db);
  const { files } = await readMigrations();
  const applied = await ofOurs('schema_migrations', () =>
    readApplied(db, 'orderonce.schema_migrations'),
  );
  const missing = files.map(({ name }) => name).filter((name) => applied?.has(name) !== true);
  if (missing.length > 0) throw notMigrated(missing.join(', '));
  if (projection !== null) await assertOrders(db);
  if (declared !== null) await assertTypesRecorded(db, declared);
  if (handlerMigrations === undefined) return;
  const ofHandlers = await missingHandlerMigrations(db, handlerMigrations);
  if (ofHandlers.length > 0) throw notMigrated(ofHandlers.join(', '));
}

/** @throws NOT_MIGRATED if the table `orders` does not exist. */
export async function assertOrders(db: Queryable): Promise<void> {
  const found = await ofOurs('orders', () =>
    db.query('SELECT last_log_offset FROM orderonce.orders LIMIT 0'),
  );
  if (found === null) throw notMigrated('the table orders', ', or set ORDERS_PROJECTION=off');
}

/**
 * Events may contain any Unicode text, and a digest is taken over its UTF-8 bytes. With another
 * encoding PostgreSQL would refuse or change valid events.
 * @throws DATABASE_NOT_UTF8
 */
export async function assertUtf8(db: Queryable): Promise<void> {
  const { rows } = await db.query<{ encoding: string }>(
    `SELECT current_setting('server_encoding') AS encoding`,
  );
  const encoding = rows[0]?.encoding;
  if (encoding === 'UTF8') return;
  throw new OrderonceError(
    'DATABASE_NOT_UTF8',
    `The database has the encoding ${encoding}; Orderonce needs UTF8. An encoding cannot be changed. ` +
      `Run CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and set DATABASE_URL to the new database`,
  );
}

/** @returns null if there is no such table. @throws SCHEMA_TAKEN if it is another application's. */
async function ofOurs<T>(table: string, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    const state = sqlStateOf(error) ?? '';
    if (NOT_THERE.test(state)) return null;
    if (state !== UNDEFINED_COLUMN) throw error;
    throw new OrderonceError(
      'SCHEMA_TAKEN',
      `The table ${table} in the schema of DATABASE_SCHEMA belongs to another application. Set DATABASE_SCHEMA to a schema of Orderonce's own`,
      { cause: error },
    );
  }
}

function notMigrated(what: string, otherwise = ''): OrderonceError {
  return new OrderonceError(
    'NOT_MIGRATED',
    `The database lacks ${what}: run "orderonce migrate"${otherwise}`,
  );
}
