/** The migrations of a team's own tables: the files in the folder that HANDLERS_MIGRATIONS gives. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { OrderonceError, reasonOf } from '../errors.ts';
import { long, UNLIMITED } from './long-statements.ts';
import type { Pool } from './pool.ts';
import type { Queryable, Transaction } from './queryable.ts';
import { noteForeignCode } from './session.ts';
import { sqlStateOf } from './sqlstate.ts';
import { inTransaction } from './transaction.ts';

/** Any fixed number: whoever applies such a file takes this lock first. */
const LOCK = 7_140_211_004;
/**
 * Classes of errors that are not the file's fault: connection, serialization and deadlock, resources,
 * operator intervention, system.
 */
const PASSING = /^(08|40|53|55P03|57|58)/;

type File = { readonly name: string; readonly sql: string; readonly checksum: string };

/**
 * Applies the files that were not applied yet, in the order of their names, each in a transaction
 * of its own together with its row in `handler_migrations`. Unqualified names are resolved by the
 * search_path of the role. If two processes run this at the same time, the second one waits and
 * finds nothing to do.
 *
 * @param folder from the working directory. Files that do not end in .sql are ignored.
 * @returns the names of the files that were applied now.
 * @throws HANDLER_MIGRATION_CHANGED, before anything is applied; HANDLER_MIGRATION_FAILED, after
 * which the files before the failed one stay applied.
 */
export async function migrateHandlers(pool: Pool, folder: string): Promise<string[]> {
  const files = await readFolder(folder);
  assertInOrder(files, await readApplied(pool));
  const applied: string[] = [];
  for (const file of files) {
    const isNew = await inTransaction(pool, UNLIMITED, (tx) => applyUnlessApplied(tx, file));
    if (isNew) applied.push(file.name);
  }
  return applied;
}

/** @returns the names of the files that the database does not have yet. */
export async function missingHandlerMigrations(db: Queryable, folder: string): Promise<string[]> {
  const files = await readFolder(folder);
  const applied = await readApplied(db);
  return files.map(({ name }) => name).filter((name) => !applied.has(name));
}

async function readFolder(folder: string): Promise<File[]> {
  const path = resolve(folder);
  try {
    const names = (await readdir(path)).filter((name) => name.endsWith('.sql')).sort();
    return await Promise.all(
      names.map(async (name) => {
        const sql = await readFile(join(path, name), 'utf8');
        return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
      }),
    );
  } catch (error) {
    throw failed(`The folder of HANDLERS_MIGRATIONS cannot be read: ${reasonOf(error)}`, error);
  }
}

async function readApplied(db: Queryable): Promise<Map<string, string>> {
  const { rows } = await db.query<{ name: string; checksum: string }>(
    'SELECT name, checksum FROM orderonce.handler_migrations',
  );
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
}

/**
 * A file that sorts before an applied one would run in another order here than in a new database.
 * Applied files that the folder no longer has are allowed: an older release may run for a while.
 */
function assertInOrder(files: readonly File[], applied: ReadonlyMap<string, string>): void {
  const changed = files.find(({ name, checksum }) => isChanged(checksum, applied.get(name)));
  if (changed !== undefined) throw changedAfterwards(changed);
  const newest = [...applied.keys()].sort().at(-1) ?? '';
  const late = files.find(({ name }) => !applied.has(name) && name < newest);
  if (late === undefined) return;
  throw new OrderonceError(
    'HANDLER_MIGRATION_CHANGED',
    `${late.name} was not applied yet, but ${newest}, which comes after it, was: rename ${late.name} so that it comes last`,
  );
}

function isChanged(checksum: string, applied: string | undefined): boolean {
  return applied !== undefined && applied !== checksum;
}

function changedAfterwards({ name }: File): OrderonceError {
  return new OrderonceError(
    'HANDLER_MIGRATION_CHANGED',
    `${name} was changed after it was applied: restore the file as it was, and put the change into a new file`,
  );
}

async function applyUnlessApplied(tx: Transaction, file: File): Promise<boolean> {
  await tx.query(long(`SELECT pg_advisory_xact_lock(${LOCK})`));
  // Another process may have applied it meanwhile.
  const applied = (await readApplied(tx)).get(file.name);
  if (isChanged(file.checksum, applied)) throw changedAfterwards(file);
  if (applied !== undefined) return false;
  // The file may leave settings behind; they must not reach the next one.
  noteForeignCode(tx);
  const before = await transactionId(tx);
  try {
    await tx.query(long(file.sql));
  } catch (error) {
    const state = sqlStateOf(error);
    if (state === undefined || PASSING.test(state)) throw error;
    throw failed(`${file.name}${lineOf(error, file.sql)}: ${reasonOf(error)}`, error);
  }
  if ((await transactionId(tx)) !== before) {
    throw failed(`${file.name} ends its transaction: remove BEGIN, COMMIT and ROLLBACK from it`);
  }
  await tx.query('RESET ROLE');
  await tx.query('INSERT INTO orderonce.handler_migrations (name, checksum) VALUES ($1, $2)', [
    file.name,
    file.checksum,
  ]);
  return true;
}

async function transactionId(tx: Transaction): Promise<unknown> {
  const { rows } = await tx.query<{ id: unknown }>('SELECT pg_catalog.txid_current()::text AS id');
  return rows[0]?.id;
}

/** PostgreSQL reports the place of a syntax error as a character of the text, counted from 1. */
function lineOf(error: unknown, sql: string): string {
  const position = Number((error as { position?: unknown }).position);
  return position > 0 ? `, line ${sql.slice(0, position - 1).split('\n').length}` : '';
}

function failed(message: string, cause?: unknown): OrderonceError {
  return new OrderonceError('HANDLER_MIGRATION_FAILED', message, { cause });
}
