import { loadDecode } from '../handlers/load-decode.ts';
import { loadEvents } from '../handlers/load-events.ts';
import type { DecodeHook } from '../log/decode-hook.ts';
import type { Settings } from '../settings/settings.ts';
import type { EventModel } from '../store/event-model.ts';
import { ORDERS } from '../store/orders-projection.ts';
import { foreignTopicsOf } from './topics.ts';

/**
 * What an event is, as the settings say. Every service and command uses the same.
 * @throws EVENTS_INVALID if EVENTS_MODULE cannot be used; DECODE_INVALID if DECODE_MODULE cannot.
 */
export async function eventModelOf(settings: Settings): Promise<EventModel> {
  const { EVENTS_MODULE: path, EVENT_BYTES_MAX: bytesMax, ORDERS_PROJECTION } = settings;
  const declared = path === undefined ? null : await loadEvents(path);
  const decode = await decodeHookOf(settings);
  return {
    rules: { declared, bytesMax, ...(decode === null ? {} : { decode }) },
    projection: ORDERS_PROJECTION === 'on' ? ORDERS : null,
  };
}

async function decodeHookOf(settings: Settings): Promise<DecodeHook | null> {
  const topics = new Set(foreignTopicsOf(settings));
  const { DECODE_MODULE: path } = settings;
  return path === undefined ? null : { topics, decode: await loadDecode(path) };
}
