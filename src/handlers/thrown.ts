/**
 * What a handler threw, read once and kept as plain data. It may be anything: no Error at all, one
 * whose getters throw, a revoked Proxy, a message of a gigabyte. Nothing behind this file touches
 * the thrown value again, so that reading it cannot fail where the failure is judged, logged or
 * stored.
 */
import { reasonOf } from '../errors.ts';
import { storableText } from '../store/storable-json.ts';
import { OutageError, TerminalError } from './handler.ts';

export type Thrown = {
  /** At most MESSAGE_CHARS_MAX characters, in a form that PostgreSQL stores. */
  readonly message: string;
  /** Of an error that PostgreSQL reported, also where the handler passed it on. */
  readonly sqlState: string | undefined;
  readonly kind: 'terminal' | 'outage' | 'unawaited' | 'other';
};

/** A handler returned before its own statements had ended: no effect of theirs can be relied on. */
export class UnawaitedError extends Error {
  override readonly name = 'UnawaitedError';
  /** @param cause of a statement that failed meanwhile. */
  constructor(what: string, cause?: unknown) {
    const message = `It returned while ${what} was still under way: await every tx.query() and tx.savepoint()`;
    super(message, { cause });
  }
}

const MESSAGE_CHARS_MAX = 1000;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Never throws. */
export function readThrown(thrown: unknown): Thrown {
  return {
    message: storableText(reasonOf(thrown).slice(0, MESSAGE_CHARS_MAX)),
    sqlState: quietly(() => sqlStateIn(thrown)),
    kind: quietly(() => kindOf(thrown)) ?? 'other',
  };
}

/** PostgreSQL's errors have a severity; the `code` alone is also Node's, of network errors. */
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

/** Reading what was thrown may itself throw. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
