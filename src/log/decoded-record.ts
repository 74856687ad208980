import { createHash } from 'node:crypto';
import type { EventRules } from '../event/event-rules.ts';
import type { FieldError } from '../event/field-error.ts';
import { digestOf, type OrderEvent } from '../event/order-event.ts';
import { parseEvent } from '../event/parse-event.ts';
import type { UnfitReason } from '../event/typing.ts';
import type { LogRecord } from './event-log.ts';

/** A record that holds a valid event. */
export type EventRecord = {
  readonly record: LogRecord;
  readonly event: OrderEvent;
  /** Hex; see digestOf. */
  readonly digest: string;
  /**
   * Set if this deployment does not know or refuses the event's type, version or data. The event
   * takes its id and holds its order all the same, so that later events do not overtake it (G5).
   */
  readonly unfit?: Unfit;
};

/** Why an event cannot take effect in this deployment. */
export type Unfit = {
  readonly reason: UnfitReason;
  readonly errors: readonly FieldError[];
  /** What the event says itself; null if it does not. */
  readonly type: string | null;
  readonly version: number | null;
};

/** What a dead letter keeps about an event that its deployment could not take. */
export function unfitDetail({ errors, type, version }: Omit<Unfit, 'reason'>): object {
  return { errors, event_type: type, event_version: version };
}

/** The failure of a redrive whose event this deployment cannot take. */
export class UnfitEvent extends Error {
  override readonly name = 'UnfitEvent';
  readonly reason: UnfitReason;
  readonly detail: object;

  constructor(unfit: Unfit) {
    const { reason, errors } = unfit;
    const problems = errors.map(({ loc, msg }) => `${loc.slice(1).join('.')}: ${msg}`);
    super(problems.join('; ').slice(0, 1000));
    this.reason = reason;
    this.detail = unfitDetail(unfit);
  }
}

/** A record that can never become an event. It claims no event id and delays no order. */
export type InvalidRecord = {
  readonly record: LogRecord;
  readonly errors: readonly FieldError[];
  /** The event_id, if at least that is valid; see ParsedEvent. */
  readonly eventIdHint?: string;
  /**
   * Why the record was not decoded (see decode-hook.ts): its decode function threw, or processes
   * ended while it ran. Otherwise what it holds is no valid event.
   */
  readonly reason?: 'decode_failed' | 'ends_the_process';
};

/** Both lists are in the order of the log, and together they hold every record. */
export type DecodedBatch = {
  readonly events: readonly EventRecord[];
  readonly invalid: readonly InvalidRecord[];
};

/**
 * Checks each record with the validator of the API, because any Kafka client may write to the
 * topic. Where the topic may be one that others write, call decodeTopic (decode-hook.ts) instead.
 * @param jsonIn gives the event of a record as JSON; null if there is none.
 */
export function decodeRecords(
  records: readonly LogRecord[],
  rules: EventRules,
  jsonIn: (record: LogRecord) => Buffer | null = ({ value }) => value,
): DecodedBatch {
  const events: EventRecord[] = [];
  const invalid: InvalidRecord[] = [];
  for (const record of records) {
    const value = jsonIn(record);
    if (value === null) {
      invalid.push({ record, errors: [TOMBSTONE] });
      continue;
    }
    const parsed = parseEvent(value, rules);
    if (parsed.ok) {
      const { event } = parsed;
      events.push({ record, event, digest: digestOf(event) });
    } else if (parsed.unfit !== undefined) {
      const { event, ...unfitness } = parsed.unfit;
      const unfit = { ...unfitness, errors: parsed.errors };
      events.push({ record, event, digest: digestOf(event), unfit });
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
 * SHA-256, in hex, over the raw bytes of key and value. It is stored with the position. If the log
 * was truncated and new records were appended, the record at that offset is another one, and only
 * this digest shows it.
 */
export function recordDigest(record: LogRecord): string {
  const sha = createHash('sha256');
  for (const part of [record.key, record.value]) {
    sha.update(part === null ? 'null;' : `${part.length};`);
    if (part !== null) sha.update(part);
  }
  return sha.digest('hex');
}
