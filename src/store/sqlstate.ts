/** What an error of PostgreSQL means for us. Classes: PostgreSQL manual, appendix A. */
import { OrderonceError } from '../errors.ts';

/** The SQLSTATE of an error that PostgreSQL itself reported; undefined for broken connections. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Whether the rows themselves were refused: 22 data exception, 23 integrity constraint violation,
 * 44 check option. A whitelist: whatever is not known to be the data's fault is an outage, and
 * outages are waited for (G6), since parking good events is worse than waiting.
 */
export function isRefusedData(error: unknown): boolean {
  return isRefusedState(sqlStateOf(error));
}

/** The same for the SQLSTATE alone. */
export function isRefusedState(state: string | undefined): boolean {
  return /^(22|23|44)/.test(state ?? '');
}

/** Whether the connection must not be used again: it broke, timed out, or is being ended. */
export function isConnectionBroken(error: unknown): boolean {
  const state = sqlStateOf(error);
  // 08 connection exception; 57P01..57P05 the server ends sessions; 25P03 idle in transaction.
  return state === undefined ? isDriverError(error) : /^(08|57P0|25P03)/.test(state);
}

/**
 * Errors after which a session is known to be as good as before, since they are about the
 * statement's data or about other transactions: 21 cardinality, 22 and 23 and 44 refused rows, 40
 * serialization failure and deadlock, 55P03 lock not available, P0 raised by a function. 25P02
 * only repeats that an error came before it.
 */
const ABOUT_THE_STATEMENT = /^(21|22|23|40|44|P0|25P02|55P03)/;

/**
 * Whether the session that reported this error is closed rather than kept. A whitelist as well:
 * the cause of an unknown error may lie in the session (it became read-only, lost its prepared
 * statements, holds plans for tables that are gone, has another role or search path), where every
 * retry would meet it again. Closing a sound session costs one reconnect.
 */
export function closesSession(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state === undefined) return isDriverError(error);
  const isFatal = /^(FATAL|PANIC)$/.test((error as { severity?: string }).severity ?? '');
  return isFatal || !ABOUT_THE_STATEMENT.test(state);
}

/** A name that was not there, or there already: between us and PostgreSQL, sessions are shared. */
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
