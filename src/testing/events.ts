/** The events that a test sends, with usual values for what it does not say. */

import { randomUUID } from 'node:crypto';
import type { EventRules } from '../event/event-rules.ts';
import type { OrderEvent } from '../event/order-event.ts';
import { parseEvent } from '../event/parse-event.ts';
import type { TestClock } from './clock.ts';

/** An event as clients send it. */
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

/** Completes an event. Each one is a second later than the one before. */
export function completeEvent(parts: Partial<TestEvent>, clock: TestClock): TestEvent {
  const given = Object.entries(parts).filter(([, value]) => value !== undefined);
  const timestamp = clock.now.toISOString();
  if (parts.timestamp === undefined) clock.advance(1000);
  return {
    event_id: randomUUID(),
    order_id: randomUUID(),
    user_id: 'user-1',
    // Given as undefined, it is left out: events of some types have no amount.
    ...('total_amount' in parts ? {} : { total_amount: '10.00' }),
    timestamp,
    ...Object.fromEntries(given),
  };
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
