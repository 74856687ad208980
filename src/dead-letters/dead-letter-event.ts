/** The event of a dead letter: the one in its bytes, or an operator's edit of it. */

import { OrderonceError } from '../errors.ts';
import { toCanonicalJson } from '../event/order-event.ts';
import { decodeTopic, type RecordRules } from '../log/decode-hook.ts';
import { decodeRecords, type EventRecord } from '../log/decoded-record.ts';
import type { LogRecord } from '../log/event-log.ts';
import { logRecord } from '../log/log-record.ts';
import type { StoredDeadLetter } from '../store/dead-letter-queue.ts';
import { topicOfLog } from '../store/logs.ts';
import type { Queryable } from '../store/queryable.ts';

/** The event that a redrive is to process. */
export type RedriveInput = {
  readonly event: EventRecord;
  /** The dead letter had not taken the event's id: its record did not decode when it was parked. */
  readonly takesId: boolean;
  /** For an edit: its canonical JSON and digest, for the audit. */
  readonly edited?: { readonly json: string; readonly digest: string };
};

/**
 * The event in a dead letter's bytes, with the record's own place; null if they hold no valid
 * event. The record is decoded as its topic is.
 */
export async function eventOf(
  db: Queryable,
  deadLetter: StoredDeadLetter,
  rules: RecordRules,
): Promise<EventRecord | null> {
  const record = recordOf(deadLetter);
  // Without a decode function the topic makes no difference.
  if (rules.decode === undefined) return decodeRecords([record], rules).events[0] ?? null;
  const topic = await topicOfLog(db, deadLetter.logId);
  return decodeTopic([record], { rules, topic }).events[0] ?? null;
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
 * Makes an event of an operator's payload. It keeps the record's place, and the record's digest if
 * the record decoded.
 * @throws EDIT_REFUSED if the payload is no valid event, or if it changes an id of the record.
 */
export async function editOf(
  db: Queryable,
  deadLetter: StoredDeadLetter,
  payload: Buffer,
  rules: RecordRules,
): Promise<RedriveInput> {
  const { events, invalid } = decodeRecords([recordOf(deadLetter, payload)], rules);
  const [edited] = events;
  if (edited === undefined || edited.unfit !== undefined) {
    const cause = edited?.unfit?.errors ?? invalid[0]?.errors ?? [];
    const why = cause.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ');
    throw new OrderonceError('EDIT_REFUSED', `The payload is not a valid event: ${why}`, { cause });
  }
  // A process may have died of decoding it, which an edit is a way out of.
  const isDeadly = deadLetter.digest === null && deadLetter.reason === 'ends_the_process';
  const original = isDeadly ? null : await eventOf(db, deadLetter, rules);
  // A record that did not decode has not taken its event id. But if its id could be read, the edit
  // must keep it.
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
  return { event, takesId: deadLetter.digest === null, edited: { json, digest } };
}
