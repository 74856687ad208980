/**
 * Guards a handler's statements within the batch transaction, in three ways:
 *
 * - While `orderonce_guard.handler` is set, triggers refuse every change of Orderonce's own tables
 *   (migration 0010, handler-triggers.sql).
 * - If an administrator has granted this role the role orderonce_handler, the statements run under
 *   that role. This does not apply to a superuser, who counts as a member of every role.
 * - The settings on which Orderonce relies, and the transaction itself, must be the same afterwards.
 *   A handler can change settings with `set_config`, and a change would reach the next batch on the
 *   same connection.
 */
import type { Pool } from './pool.ts';
import type { Transaction } from './queryable.ts';
import { prepared } from './statement-names.ts';

/** Settings on which our own statements depend, in this transaction or in the next one. */
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
  'session_authorization',
  'exit_on_error',
  // Servers before 17 do not know it.
  'transaction_timeout',
] as const;
const AS_THEY_ARE = `ARRAY[${SETTINGS.map((name) => `current_setting('${name}', true)`).join(', ')}] AS settings,
       pg_catalog.pg_current_xact_id()::text AS transaction`;

// PostgreSQL computes the columns of a SELECT from left to right: the role changes last.
const ENTER = prepared(`SELECT ${AS_THEY_ARE}, current_setting('role') AS role,
       set_config('orderonce_guard.handler', $1, true),
       set_config('role', coalesce(
         (SELECT rolname FROM pg_catalog.pg_roles
           WHERE rolname = 'orderonce_handler' AND pg_catalog.pg_has_role(oid, 'MEMBER')
             AND current_setting('is_superuser') = 'off'),
         current_setting('role')), true) AS given_role`);
const LEAVE = prepared(`SELECT ${AS_THEY_ARE}, current_setting('role') AS role,
       current_setting('orderonce_guard.handler', true) AS handler,
       set_config('role', $1, true), set_config('orderonce_guard.handler', '', true)`);

/** What held before a handler's first statement, and the role that it was given. */
export type HandlerEntry = {
  readonly handler: string;
  readonly settings: readonly string[];
  readonly transaction: string;
  readonly role: string;
  readonly givenRole: string;
};

/** Call it before a handler's first statement. @param handler its name. */
export async function enterHandler(tx: Transaction, handler: string): Promise<HandlerEntry> {
  const { rows } = await tx.query(ENTER, [handler]);
  const { settings, transaction, role, given_role: givenRole } = rows[0];
  return { handler, settings, transaction, role, givenRole };
}

/**
 * Call it after a handler's last statement.
 * @returns the names of what the handler changed although it must not.
 */
export async function leaveHandler(tx: Transaction, before: HandlerEntry): Promise<string[]> {
  const { rows } = await tx.query(LEAVE, [before.role]);
  const { settings, ...after } = rows[0] as HandlerEntry;
  const changed: string[] = SETTINGS.filter((_, i) => settings[i] !== before.settings[i]);
  if (after.role !== before.givenRole) changed.push('role');
  if (after.handler !== before.handler) changed.push('orderonce_guard.handler');
  if (after.transaction !== before.transaction) changed.push('the transaction, which it ended');
  return changed;
}

/**
 * Cancels the statement that runs on the transaction's connection, so that the transaction need not
 * wait for a statement that its handler no longer awaits. Does nothing if the connection's process
 * is not found under this role and application name, as behind a pooler. Never throws.
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
