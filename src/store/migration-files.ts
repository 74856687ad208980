/** The migrations of this release, as they lie beside the code. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { OrderonceError } from '../errors.ts';
import type { Queryable } from './pool.ts';

const FOLDER = new URL('./migrations/', import.meta.url);

/**
 * The table `orders`, as the first migration has it: made where the projection is kept, so that
 * elsewhere a table of somebody else may have its name.
 */
const ORDERS = /^CREATE TABLE orders \([\s\S]*?^\)[^;]*;$/m;

export type Migration = {
  readonly name: string;
  /** Without the table `orders`. Names are unqualified: it runs with the schema as search_path. */
  readonly sql: string;
  /** Of the whole file. */
  readonly checksum: string;
};

export type Migrations = {
  readonly files: readonly Migration[];
  /** The statement that makes the table `orders`. */
  readonly orders: string;
};

export async function readMigrations(): Promise<Migrations> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.sql')).sort();
  let orders = '';
  const files: Migration[] = [];
  for (const name of names) {
    const text = await readFile(new URL(name, FOLDER), 'utf8');
    orders ||= ORDERS.exec(text)?.[0] ?? '';
    const checksum = createHash('sha256').update(text).digest('hex');
    files.push({ name, sql: text.replace(ORDERS, ''), checksum });
  }
  return { files, orders };
}

/** Checksums by name, of those that the database has. @param table as SQL names it. */
export async function readApplied(
  db: Queryable,
  table: 'schema_migrations' | 'orderonce.schema_migrations',
): Promise<Map<string, string>> {
  const { rows } = await db.query<{ name: string; checksum: string }>(
    `SELECT name, checksum FROM ${table}`,
  );
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
}

/** @throws MIGRATION_CHANGED when an applied one differs from its file. */
export function assertUnchanged(
  migrations: readonly Migration[],
  applied: ReadonlyMap<string, string>,
): void {
  for (const { name, checksum } of migrations) {
    if (!applied.has(name) || applied.get(name) === checksum) continue;
    throw new OrderonceError('MIGRATION_CHANGED', `Migration ${name} was applied in another form`);
  }
}
