import { OrderonceError, reasonOf } from '../errors.ts';
import type { Decoded } from '../log/decode-hook.ts';
import type { LogRecord } from '../log/event-log.ts';
import type { Decode, ForeignRecord } from './decode.ts';
import { tracedSync } from './stray-errors.ts';
import { fileOfModule, importModule } from './team-module.ts';
import { readThrown } from './thrown.ts';

/**
 * Loads a team's decode function.
 * @param path of the module from the working directory, or the name of a package.
 * @returns the function, guarded: whatever it throws or returns, this one does not throw.
 * @throws DECODE_INVALID with what is wrong.
 */
export async function loadDecode(
  path: string,
): Promise<(record: LogRecord, topic: string) => Decoded> {
  let decode: unknown;
  try {
    ({ decode } = await importModule(fileOfModule(path)));
  } catch (error) {
    throw invalid(path, `cannot be loaded: ${reasonOf(error)}`, error);
  }
  if (typeof decode !== 'function') throw invalid(path, 'exports no function "decode"');
  return guardedDecode(decode as Decode);
}

/**
 * The function with its results checked. It never throws, and what a promise or a timer of it throws
 * after it has returned is logged and does not end the process.
 */
export function guardedDecode(decode: Decode): (record: LogRecord, topic: string) => Decoded {
  return (record, topic) => {
    const first = `${topic}/${record.partition}/${record.offset}`;
    const run = { handler: 'decode', events: { first, count: 1 }, fail: () => false };
    try {
      return tracedSync(run, () => resultOf(decode(foreignRecord(record, topic))));
    } catch (error) {
      return { failure: readThrown(error).message };
    }
  };
}

/** A copy that the function may keep or change without any effect on the record. */
function foreignRecord(record: LogRecord, topic: string): ForeignRecord {
  const { partition, offset, key, value, headers, appendedMs: timestamp } = record;
  const copied = headers.map(([name, content]) =>
    Object.freeze([name?.toString('utf8') ?? '', copyOf(content)] as const),
  );
  return Object.freeze({
    topic,
    partition,
    offset,
    key: copyOf(key),
    value: copyOf(value),
    headers: Object.freeze(copied),
    timestamp,
  });
}

function copyOf(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}

/** @throws if it is no event, or cannot be written as JSON. */
function resultOf(result: unknown): Decoded {
  if (result === null) return 'ignored';
  if (result instanceof Uint8Array) return { json: Buffer.from(result) };
  if (typeof result === 'string') return { json: jsonOf(result) };
  if (result instanceof Promise) {
    // Otherwise its rejection, which nobody receives, would end the process.
    result.catch(() => {});
    throw new TypeError('decode returned a promise: it must be synchronous');
  }
  if (typeof result !== 'object' || Array.isArray(result)) {
    const what = Array.isArray(result) ? 'an array' : typeof result;
    throw new TypeError(`decode returned ${what}, not an event, and not null to ignore the record`);
  }
  return { json: jsonOf(JSON.stringify(result)) };
}

/** The text in UTF-8. Half of a surrogate pair would become another character without notice. */
function jsonOf(text: string): Buffer {
  if (!text.isWellFormed()) throw new TypeError('decode returned text with a lone surrogate');
  return Buffer.from(text, 'utf8');
}

function invalid(path: string, what: string, cause?: unknown): OrderonceError {
  return new OrderonceError('DECODE_INVALID', `DECODE_MODULE "${path}" ${what}`, { cause });
}
