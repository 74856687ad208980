/**
 * The short way for an event in its canonical form, in which our own API writes every record: one
 * pattern instead of a parser. Whatever does not match in full is left to parseEvent, so this can
 * only ever say the same, sooner. A property test holds both to that.
 */
import type { OrderEvent } from './order-event.ts';

const UUID = '([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})';
/** No escapes, no controls, no surrogates: then code units are code points. */
const USER = '([^"\\\\\\u0000-\\u001f\\ud800-\\udfff]{1,255})';
const AMOUNT = '((?:0|[1-9]\\d{0,13})\\.\\d{4})';
const YEAR = '(?:19[7-9]\\d|[2-9]\\d{3})';
/** Days that every year has. */
const DAY =
  '(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)';
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d\\.\\d{6}';
const TIMESTAMP = `(${YEAR}-${DAY}T${TIME}Z)`;
const CANONICAL = new RegExp(
  `^\\{"event_id":"${UUID}","order_id":"${UUID}","user_id":"${USER}",` +
    `"total_amount":"${AMOUNT}","timestamp":"${TIMESTAMP}"\\}$`,
);
const ZERO = '0.0000';

/**
 * @returns null where the text is in another form, or not valid, or of 29 February: that is for
 * parseEvent to say.
 */
export function parseCanonical(text: string): OrderEvent | null {
  const match = CANONICAL.exec(text);
  if (match === null || match[4] === ZERO) return null;
  const [, eventId, orderId, userId, totalAmount, timestamp] = match as unknown as Six;
  return { eventId, orderId, userId, totalAmount, timestamp };
}

type Six = [string, string, string, string, string, string];
