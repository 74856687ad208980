/**
 * Repeats a change of tables for which it did not get its locks. A change that waits for a lock
 * holds up everybody who comes after it (PostgreSQL manual, "Explicit Locking"), so it waits only
 * for LOCK_MS at a time, and lets the others work in between.
 */
import { OrderonceError } from '../errors.ts';
import { pause } from '../runtime/backoff.ts';
import type { Queryable } from './queryable.ts';
import { sqlStateOf } from './sqlstate.ts';

/** Shorter than the consumer's own limits, so that its batches wait and do not fail. */
export const LOCK_MS = 2000;
const PAUSE_MS = 1000;
const PATIENCE_MS = 600_000;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * @param change a transaction with `lock_timeout` = LOCK_MS; it is repeated as a whole.
 * @param onWait called after each attempt that got no lock, with who holds it.
 * @throws what `change` throws; DATABASE_UNAVAILABLE if others hold a lock for ten minutes.
 */
export async function whileLocked<T>(
  db: Queryable,
  change: () => Promise<T>,
  onWait: (why: string) => void,
): Promise<T> {
  const started = performance.now();
  for (;;) {
    try {
      return await change();
    } catch (error) {
      if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw error;
      const why = await holderOf(db);
      if (performance.now() - started > PATIENCE_MS) {
        const message = `A table that must be changed was locked for 10 minutes: ${why}`;
        throw new OrderonceError('DATABASE_UNAVAILABLE', message, { cause: error });
      }
      onWait(why);
    }
    await pause(PAUSE_MS);
  }
}

/** The oldest transaction that holds a lock on a table, most likely the one that is waited for. */
async function holderOf(db: Queryable): Promise<string> {
  const { rows } = await db.query<{ pid: number; role: string; application: string; age: number }>(
    `SELECT a.pid, coalesce(a.usename, '') AS role, coalesce(a.application_name, '') AS application,
            extract(epoch FROM clock_timestamp() - a.xact_start)::int AS age
       FROM pg_catalog.pg_locks l
       JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
       JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid AND a.datname = current_database()
      WHERE l.granted AND a.pid <> pg_catalog.pg_backend_pid() AND a.xact_start IS NOT NULL
        AND c.relnamespace <> 'pg_catalog'::regnamespace
      ORDER BY a.xact_start LIMIT 1`,
  );
  const [holder] = rows;
  if (holder === undefined) return 'the transaction that held it has ended';
  const { pid, role, application, age } = holder;
  return `the oldest transaction is that of process ${pid} (role "${role}", application "${application}"), open for ${age} s`;
}
