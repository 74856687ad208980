/** Where the console shows something. Every filter is in the URL, so that a link leads to the rows. */
import { type LogPlace, placeText } from '../store/log-place.ts';

const withQuery = (path: string, query: Readonly<Record<string, string>>) =>
  `/console/${path}?${new URLSearchParams(query).toString()}`;

export const LINKS = {
  event: (eventId: string) => `/console/events/${eventId}`,
  order: (orderId: string) => `/console/orders/${orderId}`,
  deadLetter: (place: LogPlace) => `/console/dead-letters/${placeText(place)}`,
  deadLetters: (query: Readonly<Record<string, string>>) => withQuery('dead-letters', query),
  duplicates: (query: Readonly<Record<string, string>>) => withQuery('duplicates', query),
  conflicts: (query: Readonly<Record<string, string>>) => withQuery('conflicts', query),
  redrive: (redriveId: number) => `/console/redrives/${redriveId}`,
  partitions: '/console/partitions',
  proof: '/console/proof',
  doctor: '/console/doctor',
  overview: '/console',
} as const;
