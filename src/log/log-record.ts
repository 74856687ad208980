/**
 * Records in memory between fetch and COMMIT. There may be tens of thousands of them, and the
 * garbage collector copies live objects repeatedly, so each record keeps as few objects as
 * possible.
 */
import type { Header, LogRecord } from './event-log.ts';
import { requestIdHeader, requestIdIn } from './request-id.ts';

export type RecordParts = Omit<LogRecord, 'bytes' | 'requestId'>;

/** Adds the size and the request id, which are computed from the other fields. */
export function logRecord(parts: RecordParts): LogRecord {
  return { ...parts, bytes: bytesOf(parts), requestId: requestIdIn(parts.headers) };
}

/**
 * The same as logRecord, but a record written by our own API needs a third of the memory. It refers
 * to the received bytes, which must not be changed, and creates Buffers over them on each access.
 */
export function slimRecord(parts: RecordParts): LogRecord {
  const record = logRecord(parts);
  const { key, value, headers, requestId } = record;
  const isOurs = key !== null && value !== null && requestId !== null && headers.length === 1;
  return isOurs ? new SlimRecord(record, key, value, requestId) : record;
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
}

function bytesOf({ key, value, headers }: RecordParts): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of headers) bytes += (name?.length ?? 0) + (content?.length ?? 0);
  return bytes;
}
