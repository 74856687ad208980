/** The history of an event, from what the tables know about it. Pure. */

import { isTimedRequestId, requestMs } from '../log/request-id.ts';
import type { EventRows, RepeatRow } from '../store/event-history.ts';
import { placeText } from '../store/log-place.ts';
import { utcText } from '../store/utc.ts';

/** Something that happened to an event. */
export type HistoryEntry = {
  readonly what:
    | ('requested' | 'appended' | 'stored' | 'parked' | 'waiting' | 'discarded')
    | ('duplicate' | 'conflict' | 'redrive' | 'edit' | 'discard' | 'emitted' | 'published');
  /** UTC; null if it is not known. */
  readonly at: string | null;
  readonly place: string | null;
  readonly text: string;
  readonly detail: Readonly<Record<string, unknown>>;
};

/** What became of the event. `unknown`: only repeats are known, for example of an event that is restored. */
export function statusOf({ stored, letter }: EventRows): string {
  if (stored !== null) return 'stored';
  return letter?.state ?? 'unknown';
}

/**
 * All entries, the oldest first. The arrival of the event comes before everything else whatever its
 * times are, since they come from other clocks than PostgreSQL's.
 */
export function historyOf(rows: EventRows): HistoryEntry[] {
  const rest = [
    ...outcomeOf(rows),
    ...rows.duplicates.map((row) => repeatOf('duplicate', row)),
    ...rows.conflicts.map((row) => repeatOf('conflict', row)),
    ...rows.audit.map(auditOf),
    ...rows.messages.flatMap(messageOf),
  ];
  const rank = ({ at }: HistoryEntry) => at ?? '';
  rest.sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
  return [...arrivalOf(rows), ...rest];
}

function arrivalOf({ stored, letter }: EventRows): HistoryEntry[] {
  const first = stored ?? letter;
  if (first === null) return [];
  const { place, topic, requestId } = first;
  const entries: HistoryEntry[] = [];
  if (requestId !== null) {
    const at = isTimedRequestId(requestId) ? utc(requestMs(requestId)) : null;
    const detail = { request_id: requestId };
    entries.push({
      what: 'requested',
      at,
      place: null,
      text: 'A client sent it over HTTP',
      detail,
    });
  }
  entries.push({
    what: 'appended',
    at: letter?.appendedAt ?? null,
    place: placeText(place),
    text: `Appended to ${topic}, partition ${place.partition}, offset ${place.offset}`,
    detail: { topic, ...(requestId === null ? { by: 'another Kafka client' } : {}) },
  });
  return entries;
}

function outcomeOf({ stored, letter }: EventRows): HistoryEntry[] {
  const entries: HistoryEntry[] = [];
  if (letter !== null) {
    const { state, reason, sqlstate, message, attempts } = letter;
    const detail = { reason, sqlstate, message, attempts };
    const text =
      state === 'waiting'
        ? 'Waits behind a parked event of its order'
        : state === 'parked'
          ? `Parked: ${reason}`
          : `Parked, and then discarded: ${reason}`;
    entries.push({ what: state, at: letter.at, place: placeText(letter.place), text, detail });
  }
  if (stored !== null) {
    const { at, place, orderId, type } = stored;
    const detail = { order_id: orderId, ...(type === null ? {} : { type }) };
    entries.push({ what: 'stored', at, place: placeText(place), text: 'It took effect', detail });
  }
  return entries;
}

const REPEATS = {
  duplicate: 'The same event came again, and had no effect',
  conflict: 'Another payload came with the same id, and had no effect',
};

function repeatOf(what: 'duplicate' | 'conflict', row: RepeatRow): HistoryEntry {
  const { at, place, source, afterMs, requestId } = row;
  const detail = { source, after_ms: afterMs, request_id: requestId };
  const why = source === null ? '' : ` (${source})`;
  return { what, at, place: placeText(place), text: REPEATS[what] + why, detail };
}

const DEEDS = {
  redrive: 'redrove it',
  edit: 'redrove it with another payload',
  discard: 'discarded it',
};

function auditOf(row: EventRows['audit'][number]): HistoryEntry {
  const { action, at, place, actor, outcome, detail: why, redriveId } = row;
  const detail = { actor, outcome, message: why, redrive_id: redriveId };
  const text = `${actor} ${DEEDS[action]}${action === 'discard' ? '' : `: ${outcome}`}`;
  return { what: action, at, place: placeText(place), text, detail };
}

function messageOf(row: EventRows['messages'][number]): HistoryEntry[] {
  const { messageId, topic, handler, at, publishedAt, partition, offset } = row;
  const detail = { message_id: messageId, topic, handler };
  const emitted: HistoryEntry = {
    what: 'emitted',
    at,
    place: null,
    text: `The handler ${handler} emitted a message to ${topic}`,
    detail,
  };
  if (publishedAt === null) return [emitted];
  const text = `The message was published to ${topic}, partition ${partition}, offset ${offset}`;
  const where = { ...detail, partition, offset };
  return [emitted, { what: 'published', at: publishedAt, place: null, text, detail: where }];
}

function utc(ms: number): string {
  return utcText(ms);
}
