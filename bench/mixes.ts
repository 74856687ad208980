/** What the log is filled with. */
import { type RandomEvent, randomEvent } from './random-event.ts';

export type Mix = 'distinct' | 'm' | 'duplicates';

const HOT_ORDERS = 10;
const PER_ORDER = 4;
/** Of a hundred events: so many of hot orders, and so many sent again. */
const HOT_SHARE = 10;
const AGAIN_SHARE = 1;
/** What is sent again was first sent within so many events. */
const RECENT = 10_000;

/**
 * - `distinct`: every event has an order of its own.
 * - `m`: four events to an order, a tenth of all events in ten hot orders, one in a hundred again.
 * - `duplicates`: the same few events over and over.
 */
export function eventSource(mix: Mix): () => RandomEvent {
  if (mix === 'distinct') return randomEvent;
  const recent: RandomEvent[] = [];
  const hot = Array.from({ length: HOT_ORDERS }, () => randomEvent().order_id);
  let [made, order_id] = [0, ''];
  const pick = <T>(list: readonly T[]) => list[Math.trunc(Math.random() * list.length)] as T;
  if (mix === 'duplicates') {
    const few = Array.from({ length: 100 }, randomEvent);
    return () => few[made++ % few.length] as RandomEvent;
  }
  return () => {
    const chance = Math.random() * 100;
    if (chance < AGAIN_SHARE && recent.length > 0) return pick(recent);
    if (made % PER_ORDER === 0) order_id = randomEvent().order_id;
    const isHot = chance < AGAIN_SHARE + HOT_SHARE;
    if (!isHot) made++;
    const event = { ...randomEvent(), order_id: isHot ? pick(hot) : order_id };
    if (recent.length < RECENT) recent.push(event);
    else recent[Math.trunc(Math.random() * RECENT)] = event;
    return event;
  };
}
