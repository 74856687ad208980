/**
 * Records in memory between fetch and COMMIT. There may be tens of thousands of them, and the
 * garbage collector copies live objects repeatedly, so each record keeps as few objects as
 * possible.
 */
import type { Header, LogRecord, TraceContext } from './event-log.ts';
import { requestIdHeader, requestIdIn } from './request-id.ts';
import { contextIn, traceHeaders } from './trace-context.ts';

export type RecordParts = Omit<LogRecord, 'bytes' | 'requestId' | 'trace'>;

/** Adds the size, the request id and the trace, which are computed from the other fields. */
export function logRecord(parts: RecordParts): LogRecord {
  const { headers } = parts;
  const requestId = requestIdIn(headers);
  const others = headers.length - (requestId === null ? 0 : 1);
  const trace = others === 0 ? null : contextIn(headers);
  return { ...parts, bytes: bytesOf(parts), requestId, trace };
}

/**
 * The same as logRecord, but a record written by our own API needs a third of the memory. It refers
 * to the received bytes, which must not be changed, and creates Buffers over them on each access.
 */
export function slimRecord(parts: RecordParts): LogRecord {
  const record = logRecord(parts);
  const { key, value, headers, requestId, trace } = record;
  if (key === null || value === null || requestId === null) return record;
  if (headers.length === 1) return new SlimRecord(record, key, value, requestId);
  if (trace === null || !areSame(headers, headersOf(requestId, trace))) return record;
  return new TracedRecord(record, key, value, requestId, trace);
}

/** The headers of a record that our API writes. */
function headersOf(requestId: string, trace: TraceContext): Header[] {
  return [requestIdHeader(requestId), ...traceHeaders(trace)];
}

function areSame(some: readonly Header[], others: readonly Header[]): boolean {
  const isPart = (a: Buffer | null, b: Buffer | null | undefined) =>
    a !== null && b?.equals(a) === true;
  const isSame = ([name, value]: Header, i: number) =>
    isPart(name, others[i]?.[0]) && isPart(value, others[i]?.[1]);
  return some.length === others.length && some.every(isSame);
}

class SlimRecord implements LogRecord {
  readonly partition: number;
  readonly offset: number;
  readonly appendedMs: number;
  readonly bytes: number;
  readonly requestId: string;
  readonly #keyIn: ArrayBufferLike;
  readonly #keyAt: number;
  readonly #keyBytes: number;
  readonly #valueIn: ArrayBufferLike;
  readonly #valueAt: number;
  readonly #valueBytes: number;

  constructor(record: LogRecord, key: Buffer, value: Buffer, requestId: string) {
    this.partition = record.partition;
    this.offset = record.offset;
    this.appendedMs = record.appendedMs;
    this.bytes = record.bytes;
    this.requestId = requestId;
    this.#keyIn = key.buffer;
    this.#keyAt = key.byteOffset;
    this.#keyBytes = key.length;
    this.#valueIn = value.buffer;
    this.#valueAt = value.byteOffset;
    this.#valueBytes = value.length;
  }

  get key(): Buffer {
    return Buffer.from(this.#keyIn, this.#keyAt, this.#keyBytes);
  }

  get value(): Buffer {
    return Buffer.from(this.#valueIn, this.#valueAt, this.#valueBytes);
  }

  /** Rebuilt from the id: a valid request id has only one form, so the bytes are the same. */
  get headers(): Header[] {
    return [requestIdHeader(this.requestId)];
  }

  get trace(): TraceContext | null {
    return null;
  }
}

/** A record of a request that carried a trace. It is a class of its own: most records have none. */
class TracedRecord extends SlimRecord {
  readonly #trace: TraceContext;

  constructor(
    record: LogRecord,
    key: Buffer,
    value: Buffer,
    requestId: string,
    trace: TraceContext,
  ) {
    super(record, key, value, requestId);
    this.#trace = trace;
  }

  override get headers(): Header[] {
    return headersOf(this.requestId, this.#trace);
  }

  override get trace(): TraceContext {
    return this.#trace;
  }
}

function bytesOf({ key, value, headers }: RecordParts): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of headers) bytes += (name?.length ?? 0) + (content?.length ?? 0);
  return bytes;
}
