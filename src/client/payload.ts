/** An event as it is sent: serialised once, so that every attempt sends the same bytes. */
import { newEventId } from './uuid-v7.ts';

/**
 * An order event. The API checks it; the types only help to write it. `event_id` is made where it is
 * missing. Give amounts as decimal text where a float would round them. An object is serialised with
 * JSON.stringify, so a Date becomes its RFC 3339 text.
 */
export type NewEvent = {
  readonly event_id?: string | undefined;
  readonly order_id: string;
  readonly user_id: string;
  readonly total_amount: number | string;
  readonly timestamp: string | Date;
};

declare const sent: unique symbol;
/** Only in types: marks what the client has made of an event, which may be sent again. */
export type Sent = { readonly [sent]: true };

/** The event that was sent, as it reads in JSON. It is frozen. */
export type SentEvent<Event = NewEvent> = Event extends unknown
  ? Sent &
      Omit<Event, 'event_id' | 'timestamp'> & {
        readonly event_id: string;
        readonly timestamp: string;
      }
  : never;

/**
 * A declaration of events (`defineEvents` of orderonce/events), as far as the client needs its type.
 * It is described here and not imported, so that the client runs without the rest of the package.
 */
export type Declaration = { readonly '~sent'?: unknown };

/** What a client may send: the events of a declaration, or those without a type. */
export type EventOf<D extends Declaration> = NonNullable<D['~sent']>;

/** Of a client that no declaration was given to. */
export type Undeclared = { readonly '~sent'?: NewEvent };

/** @property bytes the JSON text of `event` in UTF-8, without line feeds. */
export type Payload = { readonly event: SentEvent; readonly bytes: Uint8Array<ArrayBuffer> };

const encoder = new TextEncoder();

/**
 * Serialises an event, with a new event_id if it has none. Later changes of the given object do not
 * change the payload. A payload made from the `event` of another payload has the same bytes.
 * @throws TypeError if JSON cannot represent it: it is no object, or has a bigint or a circle.
 */
export function payloadOf(given: object, makeId: () => string = newEventId): Payload {
  const read: unknown = JSON.parse(JSON.stringify(given) ?? 'null');
  if (typeof read !== 'object' || read === null || Array.isArray(read)) {
    throw new TypeError('An event is an object');
  }
  const event = ('event_id' in read ? read : { event_id: makeId(), ...read }) as SentEvent;
  return { event: deepFreeze(event), bytes: encoder.encode(JSON.stringify(event)) };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The event's id as the API answers it: a UUID in lower case, an id of another system unchanged. */
export function answeredId({ event_id }: SentEvent): string {
  const id = String(event_id);
  return UUID.test(id) ? id.toLowerCase() : id;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
