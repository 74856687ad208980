import { loadEvents } from '../handlers/load-events.ts';
import type { Settings } from '../settings/settings.ts';
import type { EventModel } from '../store/event-model.ts';
import { ORDERS } from '../store/orders-projection.ts';

/**
 * What an event is, as the settings say. Every service and command uses the same.
 * @throws EVENTS_INVALID if EVENTS_MODULE cannot be used.
 */
export async function eventModelOf(settings: Settings): Promise<EventModel> {
  const { EVENTS_MODULE: path, EVENT_BYTES_MAX: bytesMax, ORDERS_PROJECTION } = settings;
  const declared = path === undefined ? null : await loadEvents(path);
  return { rules: { declared, bytesMax }, projection: ORDERS_PROJECTION === 'on' ? ORDERS : null };
}
