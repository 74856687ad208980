/**
 * Records as they wait between fetch and COMMIT, by ten thousands: what is alive meanwhile is copied
 * by the garbage collector again and again, so a record of Kafka keeps as few objects as it can.
 */
import type { Header, LogRecord } from './event-log.ts';
import { requestIdHeader, requestIdIn } from './request-id.ts';

export type RecordParts = Omit<LogRecord, 'bytes' | 'requestId'>;

export function logRecord(parts: RecordParts): LogRecord {
  return { ...parts, bytes: bytesOf(parts), requestId: requestIdIn(parts.headers) };
}

/**
 * The same record, but one of our own API weighs a third: its bytes stay where they were received
 * (they must not be changed), and Buffers over them are made when asked for.
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

  /** An id that could be read has but one spelling, and the header's name too. */
  get headers(): Header[] {
    return [requestIdHeader(this.requestId)];
  }
}

function bytesOf({ key, value, headers }: RecordParts): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of headers) bytes += (name?.length ?? 0) + (content?.length ?? 0);
  return bytes;
}
