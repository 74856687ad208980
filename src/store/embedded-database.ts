/** The statements that `embedded/` sends to its own server before any pool exists. */
import type { Queryable } from './queryable.ts';
import { quoted } from './statements.ts';

/** The advisory lock that marks the data directory as in use. The number is arbitrary. */
const OWNER_LOCK = 7_140_211_002;

/**
 * Takes the lock of the data directory. The session holds it until the session ends, even if its
 * process crashes.
 * @returns false if another session holds it.
 */
export async function takeOwnerLock(session: Queryable): Promise<boolean> {
  const { rows } = await session.query<{ mine: boolean }>(
    'SELECT pg_try_advisory_lock($1) AS mine',
    [OWNER_LOCK],
  );
  return rows[0]?.mine === true;
}

/** Creates a database if it does not exist. The caller must hold the owner lock. */
export async function createDatabaseUnlessThere(session: Queryable, name: string): Promise<void> {
  const found = await session.query('SELECT FROM pg_database WHERE datname = $1', [name]);
  if (found.rowCount === 0) await session.query(`CREATE DATABASE ${quoted(name)}`);
}
