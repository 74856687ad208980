/**
 * About 10,000 events as shops send them: some twice, some with a changed payload, some invalid.
 */
import { type WireEvent, wireEvent } from './events.ts';

export const EVENTS = 10_000;

export type Load = { readonly events: WireEvent[]; readonly validIds: Set<string> };

/** Events in the sequence in which a shop would send them, three for each order. */
export function makeLoad(): Load {
  const distinct = Array.from({ length: EVENTS / 3 }, () => crypto.randomUUID()).flatMap(
    (order_id) =>
      [1, 2, 3].map((n) =>
        wireEvent({ order_id, total_amount: `${n}.0${n}`, user_id: `user-${n}` }),
      ),
  );
  const events = distinct.flatMap((event, i) => {
    if (i % 20 === 7) return [event, event];
    if (i % 100 === 13) return [event, { ...event, total_amount: '999.99' }];
    if (i % 50 === 31) return [event, wireEvent({ total_amount: '-1' })];
    return [event];
  });
  return { events, validIds: new Set(distinct.map((event) => event.event_id)) };
}
