/**
 * Reads what a handler threw once, and keeps it as plain data. A handler may throw anything: a
 * value that is no Error, an Error whose getters throw, a revoked Proxy, a message of a gigabyte.
 * No other code reads the thrown value, so the failure can be classified, logged and stored without
 * errors.
 */
import { reasonOf } from '../errors.ts';
import { storableText } from '../store/storable-json.ts';
import { OutageError, TerminalError } from './handler.ts';

/** What a handler threw. */
export type Thrown = {
  /** At most MESSAGE_CHARS_MAX characters, without any that PostgreSQL cannot store. */
  readonly message: string;
  /** The SQLSTATE, if PostgreSQL reported the error. */
  readonly sqlState: string | undefined;
  readonly kind: 'terminal' | 'outage' | 'unawaited' | 'other';
};

/**
 * A handler did not await what it began in the transaction, so its effects cannot be relied on. The
 * cause may be the error of a statement that failed meanwhile.
 */
export class UnawaitedError extends Error {
  override readonly name = 'UnawaitedError';

  /** @param what the handler did. */
  constructor(what: string, options?: ErrorOptions) {
    super(`${what}: await every tx.query() and tx.savepoint()`, options);
  }
}

const MESSAGE_CHARS_MAX = 1000;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Reads a thrown value. Never throws. */
export function readThrown(thrown: unknown): Thrown {
  return {
    message: storableText(reasonOf(thrown).slice(0, MESSAGE_CHARS_MAX)),
    sqlState: quietly(() => sqlStateIn(thrown)),
    kind: quietly(() => kindOf(thrown)) ?? 'other',
  };
}

/**
 * Errors of PostgreSQL have a severity. Node's network errors have a `code` too, but no severity.
 */
function sqlStateIn(thrown: unknown): string | undefined {
  if (thrown instanceof UnawaitedError) return sqlStateIn(thrown.cause);
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  const { code, severity } = thrown as { code?: unknown; severity?: unknown };
  if (severity === undefined || typeof code !== 'string') return undefined;
  return SQLSTATE.test(code) ? code : undefined;
}

function kindOf(thrown: unknown): Thrown['kind'] {
  if (thrown instanceof TerminalError) return 'terminal';
  if (thrown instanceof UnawaitedError) return 'unawaited';
  return thrown instanceof OutageError ? 'outage' : 'other';
}

/** Reads a property of what was thrown, which may itself throw; undefined then. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
