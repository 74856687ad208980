/** The mixes of events with which benchmarks fill the log. */

import { randomBytes } from 'node:crypto';
import { compileEvents } from '../src/event/declared-events.ts';
import { UNDECLARED } from '../src/event/event-rules.ts';
import { parseEvent } from '../src/event/parse-event.ts';
import { recordOf } from '../src/ingest/accept-event.ts';
import type { AppendRecord } from '../src/log/event-log.ts';
import { RequestIds } from '../src/log/request-id.ts';
import { traceHeaders } from '../src/log/trace-context.ts';
import { type RandomEvent, randomEvent, typedEvent } from './random-event.ts';
import declared from './typed-events.ts';

/**
 * - `distinct`: every event belongs to another order.
 * - `m`: an order has four events, 10 % of all events belong to ten hot orders, and 1 % are
 *   duplicates.
 * - `m0`, `m10`: as `m`, but with no duplicates, or with 10 %.
 * - `v7`: as `distinct`, but with ids that are ordered by time (UUID version 7).
 * - `duplicates`: the same 100 events are repeated.
 * - `typed`: as `distinct`, but with a type and 1 KiB of data.
 * - `traced`: as `distinct`, but each request had a traceparent, and one in a hundred is sampled.
 */
export const MIXES = ['distinct', 'm0', 'm', 'm10', 'v7', 'duplicates', 'traced', 'typed'] as const;
export type Mix = (typeof MIXES)[number];

const SAMPLED_SHARE = 0.01;
const HOT_ORDERS = 10;
const PER_ORDER = 4;
/** Percentage of events that belong to hot orders, and percentage of duplicates by mix. */
const HOT_SHARE = 10;
const AGAIN_SHARES = { m0: 0, m: 1, m10: 10 } as const;
/** A duplicate repeats one of about this many recent events. */
const RECENT = 10_000;

/** @returns a function that makes the next event of the mix. */
export function eventSource(mix: Mix): () => RandomEvent {
  switch (mix) {
    case 'distinct':
    case 'traced':
      return randomEvent;
    case 'typed':
      return typedEvent;
    case 'v7':
      return () => ({ ...randomEvent(), event_id: uuidV7(), order_id: uuidV7() });
    case 'duplicates': {
      const few = Array.from({ length: 100 }, randomEvent);
      let made = 0;
      return () => few[made++ % few.length] as RandomEvent;
    }
    default:
      return shopSource(AGAIN_SHARES[mix]);
  }
}

function shopSource(againShare: number): () => RandomEvent {
  const recent: RandomEvent[] = [];
  const hot = Array.from({ length: HOT_ORDERS }, () => randomEvent().order_id);
  let [made, order_id] = [0, ''];
  const pick = <T>(list: readonly T[]) => list[Math.trunc(Math.random() * list.length)] as T;
  return () => {
    const chance = Math.random() * 100;
    if (chance < againShare && recent.length > 0) return pick(recent);
    if (made % PER_ORDER === 0) order_id = randomEvent().order_id;
    const isHot = chance < againShare + HOT_SHARE;
    if (!isHot) made++;
    const event = { ...randomEvent(), order_id: isHot ? pick(hot) : order_id };
    if (recent.length < RECENT) recent.push(event);
    else recent[Math.trunc(Math.random() * RECENT)] = event;
    return event;
  };
}

/** A UUID of version 7 (RFC 9562): it begins with 48 bits of time. */
function uuidV7(): string {
  const random = randomBytes(10).toString('hex');
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-a${random.slice(3, 6)}-${random.slice(6, 18)}`;
}

/** @returns a function that makes the next record as the API does: canonical, with request id. */
export function recordSource(mix: Mix): () => AppendRecord {
  const rules = mix === 'typed' ? { ...UNDECLARED, declared: compileEvents(declared) } : UNDECLARED;
  const requestIds = new RequestIds();
  const nextEvent = eventSource(mix);
  return () => {
    const parsed = parseEvent(Buffer.from(JSON.stringify(nextEvent())), rules);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    const trace = mix === 'traced' ? traceHeaders(randomContext()) : [];
    return recordOf(parsed.event, { requestId: requestIds.next(), trace });
  };
}

function randomContext() {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  const flags = Math.random() < SAMPLED_SHARE ? '01' : '00';
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate: null };
}
