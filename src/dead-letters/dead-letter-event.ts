/** The event of a dead letter: what its bytes hold, or what an operator puts in their place. */
import { OrderonceError } from '../errors.ts';
import { toCanonicalJson } from '../event/order-event.ts';
import { decodeRecords, type EventRecord } from '../log/decoded-record.ts';
import type { LogRecord } from '../log/event-log.ts';
import { logRecord } from '../log/log-record.ts';
import type { StoredDeadLetter } from '../store/dead-letter-queue.ts';

/** What is to take effect at a dead letter's place, and what the audit shall quote of an edit. */
export type RedriveInput = {
  readonly event: EventRecord;
  readonly edited?: { readonly json: string; readonly digest: string };
};

/** The event that a dead letter's bytes hold, at its own place in the log; null where they hold none. */
export function eventOf(deadLetter: StoredDeadLetter): EventRecord | null {
  return decodeRecords([recordOf(deadLetter)]).events[0] ?? null;
}

function recordOf(deadLetter: StoredDeadLetter, value = deadLetter.value): LogRecord {
  const { partition, offset, key, headers, appendedAt } = deadLetter;
  const bytes = (base64: string | null) => (base64 === null ? null : Buffer.from(base64, 'base64'));
  return logRecord({
    partition,
    offset,
    key,
    value,
    headers: headers.map(([name, content]) => [bytes(name), bytes(content)] as const),
    appendedMs: appendedAt === null ? 0 : Date.parse(appendedAt),
  });
}

/**
 * An edit keeps the record's place and digest.
 * @throws EDIT_REFUSED where the payload is no valid event, or changes an id that could be read.
 */
export function editOf(deadLetter: StoredDeadLetter, payload: Buffer): RedriveInput {
  const { events, invalid } = decodeRecords([recordOf(deadLetter, payload)]);
  const [edited] = events;
  if (edited === undefined) {
    const cause = invalid[0]?.errors ?? [];
    const why = cause.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ');
    throw new OrderonceError('EDIT_REFUSED', `No valid event: ${why}`, { cause });
  }
  const original = eventOf(deadLetter);
  // Of a record that did not decode, the event id is only a hint; but one that can be read counts.
  const eventId = original?.event.eventId ?? deadLetter.eventId ?? edited.event.eventId;
  const orderId = original?.event.orderId ?? edited.event.orderId;
  if (edited.event.eventId !== eventId || edited.event.orderId !== orderId) {
    const ids =
      original === null ? `event_id ${eventId}` : `event_id ${eventId}, order_id ${orderId}`;
    throw new OrderonceError('EDIT_REFUSED', `The ids of the record cannot be edited: ${ids}`);
  }
  const json = toCanonicalJson(edited.event);
  const { digest } = edited;
  const event = original === null ? edited : { ...edited, digest: original.digest };
  return { event, edited: { json, digest } };
}
