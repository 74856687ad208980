/** Reads the migrations of this release from the folder `migrations`. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { OrderonceError } from '../errors.ts';
import type { Queryable } from './queryable.ts';

const FOLDER = new URL('./migrations/', import.meta.url);

/**
 * Matches the statement of the first migration that creates the table `orders`. It runs only if the
 * projection is kept. Otherwise another application may use the name.
 */
const ORDERS = /^CREATE TABLE orders \([\s\S]*?^\)[^;]*;$/m;

export type Migration = {
  readonly name: string;
  /** Without the table `orders`. Names are unqualified; it runs with the schema as search_path. */
  readonly sql: string;
  /** SHA-256, in hex, of the whole file. */
  readonly checksum: string;
};

export type Migrations = {
  readonly files: readonly Migration[];
  /** The statement that creates the table `orders`. */
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

/**
 * Reads which migrations the database has: their checksums, by name.
 * @param table unqualified, or with the prefix that statements.ts replaces.
 */
export async function readApplied(
  db: Queryable,
  table: 'schema_migrations' | 'orderonce.schema_migrations',
): Promise<Map<string, string>> {
  const { rows } = await db.query<{ name: string; checksum: string }>(
    `SELECT name, checksum FROM ${table}`,
  );
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
}

/** @throws MIGRATION_CHANGED if an applied migration differs from its file. */
export function assertUnchanged(
  migrations: readonly Migration[],
  applied: ReadonlyMap<string, string>,
): void {
  for (const { name, checksum } of migrations) {
    if (!applied.has(name) || applied.get(name) === checksum) continue;
    throw new OrderonceError(
      'MIGRATION_CHANGED',
      `Migration ${name} differs from the one that was applied`,
    );
  }
}
