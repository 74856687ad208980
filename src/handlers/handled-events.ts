/** Stored events as handlers see them. */
import type { EventRules } from '../event/event-rules.ts';
import type { OrderEvent } from '../event/order-event.ts';
import type { EventRecord } from '../log/decoded-record.ts';
import type { HandledEvent } from './handler.ts';
import { HandlerFailure } from './run-handlers.ts';

/**
 * @returns a view of each event. Data of an older version is lifted to the newest one.
 * @throws HandlerFailure if an upgrade function of EVENTS_MODULE throws.
 */
export function handledEvents(
  events: readonly EventRecord[],
  rules: EventRules,
): readonly HandledEvent[] {
  return events.map(({ event, record: { partition, offset } }) => {
    const isPlain = event.type === undefined && event.sentIds === undefined;
    const view = isPlain ? event : viewOf(event, rules);
    // A type may declare that its events have no amount; then their handlers are typed so.
    return { ...view, partition, offset } as HandledEvent;
  });
}

function viewOf(event: OrderEvent, { declared }: EventRules) {
  const { sentIds, type, version = 1, data, ...envelope } = event;
  const { eventId: sentEventId = null, orderId: sentOrderId = null } = sentIds ?? {};
  const view = sentIds === undefined ? envelope : { ...envelope, sentEventId, sentOrderId };
  const known = type === undefined ? undefined : declared?.types.get(type);
  if (known === undefined) return view;
  try {
    const given = data === undefined ? undefined : JSON.parse(data);
    // An upgrade may be the first to make data, or leave none.
    const lifted = deepFrozen(known.lift(version, given));
    const newest = { ...view, type, version: known.version };
    return lifted === undefined ? newest : { ...newest, data: lifted };
  } catch (error) {
    throw new HandlerFailure(`the upgrade of ${type}@${version}`, error);
  }
}

/** Frozen, since what one handler changed in the data would reach the handlers after it. */
function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) deepFrozen(part);
  return Object.freeze(value);
}
