/** What a deployment accepts as an event. Every service that reads events has one of these. */
import type { DeclaredEvents } from './declared-events.ts';

/** The default size limit of an event in bytes (EVENT_BYTES_MAX), and the largest one. */
export const EVENT_BYTES_DEFAULT = 64 * 1024;
export const EVENT_BYTES_LIMIT = 1024 * 1024;

export type EventRules = {
  /** The types of EVENTS_MODULE; null if no module is set: then an event has the five fields only. */
  readonly declared: DeclaredEvents | null;
  /** The largest event in bytes, spaces included. The limit of an HTTP body is the same. */
  readonly bytesMax: number;
};

/** The rules of a deployment without EVENTS_MODULE, and with the default size limit. */
export const UNDECLARED: EventRules = { declared: null, bytesMax: EVENT_BYTES_DEFAULT };
