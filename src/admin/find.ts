/** Resolves what an operator types into the search field. */
import type { EventRules } from '../event/event-rules.ts';
import { storedIdOf } from '../event/text-ids.ts';
import { isTimedRequestId, requestMs } from '../log/request-id.ts';
import {
  type Found,
  findById,
  findByPlace,
  findByRequest,
  findPartition,
  findStoredAt,
  type KnownPartition,
  missingTimeIndexes,
} from '../store/find.ts';
import { type LogPlace, parsePlace, placeText } from '../store/log-place.ts';
import type { Queryable } from '../store/queryable.ts';
import { LINKS } from './console-links.ts';
import { UUID } from './query-string.ts';

/** Where search looks. */
export type FindSources = {
  readonly db: Queryable;
  /** The topic of places that name none. */
  readonly topic: string;
  readonly rules: EventRules;
  /**
   * The event id of the record at an offset, as the log has it; null if the log does not have it any
   * more, or it is no event.
   */
  readonly eventIdAt: (partition: KnownPartition, offset: number) => Promise<string | null>;
};

/** What GET /find answers, without `q`. */
export type Findings = { readonly items: readonly object[]; readonly hint: string | null };

/** Most records are processed within the first window. The second one is tried if it finds nothing. */
const WINDOWS = [
  { before: 5, after: 30 },
  { before: 60, after: 600 },
];

const UNKNOWN_ID =
  'Nothing has this id. An event may still be in the log (GET /positions shows the lag), it may never have ' +
  'been accepted, or the record was refused as invalid and its id could not be read.';
const UNKNOWN_REQUEST =
  'Nothing has this id as an event, order or message, and no record of a request with this id was ' +
  'processed within 10 minutes after it.';
const NO_INDEX =
  'It may also be the id of a request. To find those, let the owner of the tables run:';
const NOT_PROCESSED = 'This offset has not been processed yet: the position of the partition is';
const UNKNOWN_PLACE =
  'There is no duplicate, conflict or dead letter at this place. If an event was stored from it, the log ' +
  'no longer holds the record that has its id. Or the offset holds no record.';

/** @returns what was found; null if `q` is neither an id nor a place. */
export async function find(sources: FindSources, q: string): Promise<Findings | null> {
  const text = q.trim();
  const id = UUID.parse(text);
  if (id !== null) return await findId(sources, id);
  const named = await findTextId(sources, text);
  if (named !== null) return named;
  const parts = text.split('/');
  const [partition, offset] = parts.slice(-2).map(Number) as [number, number];
  const place = parsePlace(text);
  if (place !== null) return await findPlace(sources, place);
  const topic = parts.length === 2 ? sources.topic : parts.slice(0, -2).join('/');
  // Such a text is checked like a place; the number of the log does not matter here.
  if (parts.length < 2 || topic === '' || parsePlace(`0/${parts.slice(-2).join('/')}`) === null) {
    return null;
  }
  const known = await findPartition(sources.db, { topic }, partition);
  if (known === null) return { items: [], hint: `No partition ${partition} of ${topic} is known.` };
  return await findPlace(sources, { logId: known.logId, partition, offset });
}

async function findId({ db }: FindSources, id: string): Promise<Findings> {
  const found = await findById(db, id);
  if (found.length > 0) return { items: found.map(itemOf), hint: null };
  if (!isTimedRequestId(id)) return { items: [], hint: UNKNOWN_ID };
  const missing = await missingTimeIndexes(db);
  if (missing.length > 0)
    return { items: [], hint: `${UNKNOWN_ID} ${NO_INDEX} ${missing.join('; ')}` };
  for (const window of WINDOWS) {
    const brought = await findByRequest(db, id, requestMs(id), window);
    if (brought.length > 0) return { items: brought.map(itemOf), hint: null };
  }
  return { items: [], hint: UNKNOWN_REQUEST };
}

/** @returns null if the deployment has no text ids, or nothing has this one. */
async function findTextId({ db, rules }: FindSources, text: string): Promise<Findings | null> {
  const ids = (['eventId', 'orderId'] as const).map((property) => {
    const isDeclared = rules.declared?.ids[property] !== undefined;
    return isDeclared ? storedIdOf(text, property, rules.declared) : null;
  });
  const found = await Promise.all(ids.map((id) => (id === null ? [] : findById(db, id))));
  const items = found.flat().map(itemOf);
  return items.length === 0 ? null : { items, hint: null };
}

async function findPlace(sources: FindSources, place: LogPlace): Promise<Findings> {
  const { db } = sources;
  const found = await findByPlace(db, place);
  if (found.length > 0) return { items: found.map(itemOf), hint: null };
  const { logId, partition, offset } = place;
  const known = await findPartition(db, { logId }, partition);
  // Only a log that is processed now can be read.
  if (known === null) return { items: [], hint: UNKNOWN_PLACE };
  if (offset >= known.nextOffset) {
    return { items: [], hint: `${NOT_PROCESSED} ${known.nextOffset}.` };
  }
  const eventId = await sources.eventIdAt(known, offset).catch(() => null);
  const stored = eventId === null ? null : await findStoredAt(db, eventId, place);
  return stored === null
    ? { items: [], hint: UNKNOWN_PLACE }
    : { items: [itemOf(stored)], hint: null };
}

function itemOf({ kind, id, place, state, about }: Found) {
  const at = place === null ? '' : placeText(place);
  const item = { kind, id: id ?? at, state };
  switch (kind) {
    case 'event':
      return {
        ...item,
        text: `Event ${state}, at ${at}${about === null ? '' : `, of order ${about}`}`,
        api: `/events/${id}/history`,
        link: LINKS.event(id as string),
      };
    case 'order':
      return { ...item, text: 'Order', api: `/orders/${id}`, link: LINKS.order(id as string) };
    case 'message':
      return {
        ...item,
        text: `Message of event ${about}`,
        api: `/events/${about}/history`,
        link: LINKS.event(about as string),
      };
    case 'dead_letter':
      return {
        ...item,
        id: at,
        text: `Dead letter at ${at}: ${about}`,
        api: `/dead-letters/${at}`,
        link: LINKS.deadLetter(place as LogPlace),
      };
    default: {
      const query = { event_id: id as string };
      const list = kind === 'duplicate' ? 'duplicates' : 'conflicts';
      return {
        ...item,
        id: at,
        text: `${kind === 'duplicate' ? 'Duplicate' : 'Conflict'} of event ${id}, at ${at}`,
        api: `/${list}?event_id=${id}`,
        link: LINKS[list](query),
      };
    }
  }
}
