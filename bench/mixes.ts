/** What the log is filled with. */
import { randomBytes } from 'node:crypto';
import { parseEvent } from '../src/event/parse-event.ts';
import { recordOf } from '../src/ingest/accept-event.ts';
import type { AppendRecord } from '../src/log/event-log.ts';
import { RequestIds } from '../src/log/request-id.ts';
import { type RandomEvent, randomEvent } from './random-event.ts';

/**
 * - `distinct`: every event has an order of its own.
 * - `m`: four events to an order, a tenth of all events in ten hot orders, one in a hundred again.
 * - `m0`, `m10`: the same without repeats, and with one in ten.
 * - `v7`: distinct, ids ordered by time.
 * - `duplicates`: the same few events over and over.
 */
export const MIXES = ['distinct', 'm0', 'm', 'm10', 'v7', 'duplicates'] as const;
export type Mix = (typeof MIXES)[number];

const HOT_ORDERS = 10;
const PER_ORDER = 4;
/** Of a hundred events: so many of hot orders, and so many sent again. */
const HOT_SHARE = 10;
const AGAIN_SHARES = { m0: 0, m: 1, m10: 10 } as const;
/** What is sent again was first sent within so many events. */
const RECENT = 10_000;

export function eventSource(mix: Mix): () => RandomEvent {
  switch (mix) {
    case 'distinct':
      return randomEvent;
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

/** RFC 9562, version 7: 48 bits of time first. */
function uuidV7(): string {
  const random = randomBytes(10).toString('hex');
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-a${random.slice(3, 6)}-${random.slice(6, 18)}`;
}

/** Records as our own API writes them: in canonical form, with a request id. */
export function recordSource(mix: Mix): () => AppendRecord {
  const requestIds = new RequestIds();
  const nextEvent = eventSource(mix);
  return () => {
    const parsed = parseEvent(Buffer.from(JSON.stringify(nextEvent())));
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    return recordOf(parsed.event, requestIds.next());
  };
}
