/** The events that a test sends, with usual values for what it does not say. */

import { randomUUID } from 'node:crypto';
import type { EventDefinition } from '../event/declaration.ts';
import type { EventRules } from '../event/event-rules.ts';
import type { OrderEvent } from '../event/order-event.ts';
import { parseEvent } from '../event/parse-event.ts';
import { storedIdOf } from '../event/text-ids.ts';
import type { TestClock } from './clock.ts';

/** An event as clients send it, complete. */
export type TestEvent = {
  readonly event_id: string;
  readonly order_id: string;
  readonly user_id: string;
  /** Undefined in an event of a type that has no amount. */
  readonly total_amount?: string | number | undefined;
  /** With a time zone, in any form that the API accepts. */
  readonly timestamp: string;
  readonly type?: string;
  readonly version?: number;
  readonly data?: unknown;
};

/** What a test says about an event: what the declaration `D` allows, or an event without a type. */
export type TestParts<D extends EventDefinition> = EventDefinition extends D
  ? Partial<TestEvent>
  : PartsOf<SentOf<D>> | Untyped;

type SentOf<D> = D extends { readonly '~sent'?: infer Sent } ? NonNullable<Sent> : never;
/** The type and the data cannot be left out: only their envelope has usual values. */
type PartsOf<Sent> = Sent extends { readonly type: string; readonly data?: unknown }
  ? Pick<Sent, 'type' | 'data'> & Partial<Omit<Sent, 'type' | 'data' | 'timestamp'>> & AtTime
  : never;
type AtTime = { readonly timestamp?: string };
type Untyped = Partial<Omit<TestEvent, 'type' | 'version' | 'data'>> & {
  readonly type?: undefined;
  readonly version?: undefined;
  readonly data?: undefined;
};

/** An event that the kit has sent. It may be sent again. */
export type TestEventOf<D extends EventDefinition> = TestParts<D> & TestEvent;

/** Completes an event. Each one is a second later than the one before. */
export function completeEvent(
  parts: { readonly [N in keyof TestEvent]?: unknown },
  clock: TestClock,
  { declared }: EventRules,
): TestEvent {
  const given = Object.entries(parts).filter(([, value]) => value !== undefined);
  const hasNone = declared?.types.get(String(parts.type))?.amount === 'none';
  const timestamp = clock.now.toISOString();
  if (parts.timestamp === undefined) clock.advance(1000);
  return {
    event_id: randomUUID(),
    order_id: randomUUID(),
    user_id: 'user-1',
    // Given as undefined, it is left out: events of some types have no amount.
    ...('total_amount' in parts || hasNone ? {} : { total_amount: '10.00' }),
    timestamp,
    ...(Object.fromEntries(given) as Partial<TestEvent>),
  };
}

/** The id under which an event is stored: that of the declaration, if it allows text ids. */
export function storedId(id: string, { declared }: EventRules): string {
  return storedIdOf(id, 'eventId', declared) ?? id.toLowerCase();
}

/** @throws where the API would answer 422, saying what is wrong. */
export function bytesOf(event: TestEvent, rules: EventRules): Buffer {
  const bytes = Buffer.from(JSON.stringify(event));
  parsed(bytes, rules);
  return bytes;
}

/** The event's timestamp in milliseconds, however it is spelled. @throws like bytesOf. */
export function msOf(event: TestEvent, rules: EventRules): number {
  return Date.parse(parsed(Buffer.from(JSON.stringify(event)), rules).timestamp);
}

function parsed(bytes: Buffer, rules: EventRules): OrderEvent {
  const verdict = parseEvent(bytes, rules);
  if (verdict.ok) return verdict.event;
  const errors = verdict.errors.map(
    ({ loc, msg }) => `${loc.slice(1).join('.') || 'body'}: ${msg}`,
  );
  throw new TypeError(
    `The API would answer 422: ${errors.join('; ')}. kit.sendGarbage() appends bytes that are no event`,
  );
}
