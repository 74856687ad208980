/** Classifies errors of PostgreSQL by SQLSTATE (PostgreSQL manual, appendix A). */
import { OrderonceError } from '../errors.ts';

/**
 * The SQLSTATE of an error that PostgreSQL reported; undefined for other errors, such as a broken
 * connection.
 */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Whether PostgreSQL refused the row itself: class 22 data exception, 23 integrity constraint
 * violation, 44 WITH CHECK OPTION violation. This is an allowlist. Any error that is not known to
 * be due to the data counts as an outage and is retried (G6), because parking good events is worse
 * than waiting.
 */
export function isRefusedData(error: unknown): boolean {
  return isRefusedState(sqlStateOf(error));
}

/** The same for a SQLSTATE. */
export function isRefusedState(state: string | undefined): boolean {
  return /^(22|23|44)/.test(state ?? '');
}

/** Whether the connection must not be used again: it broke, timed out, or is being ended. */
export function isConnectionBroken(error: unknown): boolean {
  const state = sqlStateOf(error);
  // 08 connection exception; 57P01 to 57P05: the server ends sessions; 25P03 idle in transaction.
  return state === undefined ? isDriverError(error) : /^(08|57P0|25P03)/.test(state);
}

/**
 * Errors that concern only the statement's data or other transactions, so the session is as good as
 * before: 21 cardinality violation; 22, 23 and 44 refused rows; 40 serialization failure and
 * deadlock; 55P03 lock not available; P0 raised by a function. 25P02 only says that an earlier
 * statement of the transaction failed.
 */
const ABOUT_THE_STATEMENT = /^(21|22|23|40|44|P0|25P02|55P03)/;

/**
 * Whether the session that reported this error must be closed. This is an allowlist too. An unknown
 * error may be due to the session: it may have become read-only, have lost its prepared statements,
 * hold plans for tables that are gone, or have another role or search_path. Every retry in it would
 * fail again. Closing a good session only costs a reconnect.
 */
export function closesSession(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state === undefined) return isDriverError(error);
  const isFatal = /^(FATAL|PANIC)$/.test((error as { severity?: string }).severity ?? '');
  return isFatal || !ABOUT_THE_STATEMENT.test(state);
}

/**
 * Whether a prepared statement's name was unknown (26000) or already used (42P05), which happens if
 * a pooler shares sessions.
 */
export function isStatementNameLost(error: unknown): boolean {
  return /^(26000|42P05)$/.test(sqlStateOf(error) ?? '');
}

function isDriverError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('syscall' in error || 'errno' in error) return true;
  if (error instanceof OrderonceError) return error.code === 'DATABASE_UNAVAILABLE';
  return /connection terminated|client (has encountered|was closed)|query read timeout|not queryable/i.test(
    error.message,
  );
}
