import { createHash } from 'node:crypto';
import type { FieldError } from '../event/field-error.ts';
import { digestOf, type OrderEvent } from '../event/order-event.ts';
import { parseEvent } from '../event/parse-event.ts';
import type { LogRecord } from './event-log.ts';

/** A record that holds a valid event. */
export type EventRecord = {
  readonly record: LogRecord;
  readonly event: OrderEvent;
  /** Hex; see digestOf. */
  readonly digest: string;
};

/** A record that can never become an event: it claims no id and holds no order. */
export type InvalidRecord = {
  readonly record: LogRecord;
  readonly errors: readonly FieldError[];
  readonly eventIdHint?: string;
};

export type DecodedBatch = {
  readonly events: readonly EventRecord[];
  readonly invalid: readonly InvalidRecord[];
};

/** Checks each record with the API's own validator: any Kafka client may write to the topic. */
export function decodeRecords(records: readonly LogRecord[]): DecodedBatch {
  const events: EventRecord[] = [];
  const invalid: InvalidRecord[] = [];
  for (const record of records) {
    if (record.value === null) {
      invalid.push({ record, errors: [TOMBSTONE] });
      continue;
    }
    const parsed = parseEvent(record.value);
    if (parsed.ok) {
      const { event } = parsed;
      events.push({ record, event, digest: digestOf(event) });
    } else {
      invalid.push({ record, ...parsed });
    }
  }
  return { events, invalid };
}

const TOMBSTONE: FieldError = {
  type: 'missing',
  loc: ['body'],
  msg: 'The record has no value (a tombstone)',
  input: null,
};

/**
 * SHA-256, hex, over a record's raw bytes. Kept beside the position: after a log was truncated and
 * grew again, the record at that offset is another one, which nothing else would show.
 */
export function recordDigest(record: LogRecord): string {
  const sha = createHash('sha256');
  for (const part of [record.key, record.value]) {
    sha.update(part === null ? 'null;' : `${part.length};`);
    if (part !== null) sha.update(part);
  }
  return sha.digest('hex');
}
