/** What an error of PostgreSQL means for us. Classes: PostgreSQL manual, appendix A. */

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
  // 08 connection exception; 57P01..57P04 the server ends sessions; 25P03 idle in transaction.
  return state === undefined ? isDriverError(error) : /^(08|57P0|25P03)/.test(state);
}

function isDriverError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('syscall' in error || 'errno' in error) return true;
  return /connection terminated|client has encountered|query read timeout|not queryable/i.test(
    error.message,
  );
}
