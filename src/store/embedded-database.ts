/** The statements that `embedded/` sends to a server of its own, before any pool is made. */
import type { Queryable } from './queryable.ts';
import { quoted } from './statements.ts';

/** Any fixed number: the lock that says "this data directory is in use". */
const OWNER_LOCK = 7_140_211_002;

/**
 * Takes the lock of the data directory's owner. The session keeps it: it is free again as soon as the
 * session ends, however its process ended.
 * @returns false where another session holds it.
 */
export async function takeOwnerLock(session: Queryable): Promise<boolean> {
  const { rows } = await session.query<{ mine: boolean }>(
    'SELECT pg_try_advisory_lock($1) AS mine',
    [OWNER_LOCK],
  );
  return rows[0]?.mine === true;
}

/** Whoever holds the owner's lock may call it: two at once would try to create the same database. */
export async function createDatabaseUnlessThere(session: Queryable, name: string): Promise<void> {
  const found = await session.query('SELECT FROM pg_database WHERE datname = $1', [name]);
  if (found.rowCount === 0) await session.query(`CREATE DATABASE ${quoted(name)}`);
}
