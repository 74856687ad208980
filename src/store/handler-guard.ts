/**
 * What surrounds a handler's statements in the transaction that it shares with the heart. While
 * `orderonce_guard.handler` is set, triggers refuse every change of the tables that carry the guarantees
 * (migration 0010). Where an administrator has granted us the role orderonce_handler, they run under
 * it (a superuser is a member of every role: that alone says nothing). And the settings that the heart relies on must be the same afterwards: what a handler
 * changes for the session (`set_config`) would reach the next batch on that connection.
 */
import type { Pool, Transaction } from './pool.ts';
import { prepared } from './statement-names.ts';

/** What the heart's own statements, or those of the next transaction, depend on. */
const SETTINGS = [
  'search_path',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'synchronous_commit',
  'session_replication_role',
  'default_transaction_read_only',
  'transaction_read_only',
  'row_security',
  'client_encoding',
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'bytea_output',
  'extra_float_digits',
  'standard_conforming_strings',
] as const;
const AS_THEY_ARE = `ARRAY[${SETTINGS.map((name) => `current_setting('${name}')`).join(', ')}]`;

// PostgreSQL computes the columns of a SELECT from left to right: the role changes last.
const ENTER = prepared(`SELECT ${AS_THEY_ARE} AS settings, current_setting('role') AS role,
       set_config('orderonce_guard.handler', $1, true),
       set_config('role', coalesce(
         (SELECT rolname FROM pg_catalog.pg_roles
           WHERE rolname = 'orderonce_handler' AND pg_catalog.pg_has_role(oid, 'MEMBER')
             AND current_setting('is_superuser') = 'off'),
         current_setting('role')), true) AS given_role`);
const LEAVE = prepared(`SELECT ${AS_THEY_ARE} AS settings, current_setting('role') AS role,
       set_config('role', $1, true), set_config('orderonce_guard.handler', '', true)`);

/** What was in force before the handler's first statement. */
export type HandlerEntry = {
  readonly settings: readonly string[];
  readonly role: string;
  readonly givenRole: string;
};

/** Before a handler's first statement. */
export async function enterHandler(tx: Transaction, handler: string): Promise<HandlerEntry> {
  const { rows } = await tx.query(ENTER, [handler]);
  const { settings, role, given_role: givenRole } = rows[0];
  return { settings, role, givenRole };
}

/**
 * After its last one: from here on the transaction is the heart's again.
 * @returns the names of the settings that the handler changed.
 */
export async function leaveHandler(tx: Transaction, before: HandlerEntry): Promise<string[]> {
  const { rows } = await tx.query(LEAVE, [before.role]);
  const { settings, role } = rows[0] as { settings: string[]; role: string };
  const changed: string[] = SETTINGS.filter((_, i) => settings[i] !== before.settings[i]);
  return role === before.givenRole ? changed : [...changed, 'role'];
}

/**
 * Ends the statement that runs on this connection, if it is one of the consumer's: so that a
 * transaction need not wait for what its handler no longer waits for. Does nothing where a pooler
 * hides the server's process.
 */
export async function cancelStatement(pool: Pool, tx: Transaction): Promise<void> {
  const { processID: pid } = tx as { processID?: number | null };
  if (pid === undefined || pid === null) return;
  await pool
    .query(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
        WHERE pid = $1 AND state = 'active' AND usename = current_user
          AND application_name = current_setting('application_name')`,
      [pid],
    )
    .catch(() => {});
}
