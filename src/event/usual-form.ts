/**
 * The short way for an event as our own API writes every record, and as most clients write theirs:
 * the fields in the order of the docs, amount as a number or a string, time in UTC with `Z`. One
 * pattern instead of a parser. Whatever does not match in full is left to parseEvent, so this can
 * only ever say the same, sooner. A property test holds both to that.
 */
import type { OrderEvent } from './order-event.ts';

const UUID = '([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})';
/** No escapes, no controls, no surrogates: then code units are code points. */
const USER = '([^"\\\\\\u0000-\\u001f\\ud800-\\udfff]{1,255})';
const AMOUNT = '((?:0|[1-9]\\d{0,13})(?:\\.\\d{1,4})?)';
const YEAR = '(?:19[7-9]\\d|[2-9]\\d{3})';
/** Days that every year has. */
const DAY =
  '(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)';
const TIME = `(${YEAR}-${DAY}T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?Z)`;
const USUAL = new RegExp(
  `^\\{"event_id": ?"${UUID}", ?"order_id": ?"${UUID}", ?"user_id": ?"${USER}", ?` +
    `"total_amount": ?(?:"${AMOUNT}"|${AMOUNT}), ?"timestamp": ?"${TIME}"\\}$`,
);
const DECIMALS = 4;
const MICROS = 6;
const CANONICAL_TIME = '2026-01-02T03:04:05.123456Z';
const ZERO = '0.0000';

/**
 * @returns null where the text is in another form, or not valid, or of 29 February: that is for
 * parseEvent to say.
 */
export function parseUsualForm(text: string): OrderEvent | null {
  const match = USUAL.exec(text);
  if (match === null) return null;
  const [, eventId, orderId, userId] = match as unknown as [string, string, string, string];
  const [, , , , inString, inNumber, time] = match as unknown as string[];
  const totalAmount = withDecimals(inString ?? (inNumber as string), DECIMALS);
  if (totalAmount === ZERO) return null;
  return { eventId, orderId, userId, totalAmount, timestamp: withMicros(time as string) };
}

function withMicros(time: string): string {
  // As every record of our API has it: no need for another string.
  if (time.length === CANONICAL_TIME.length) return time;
  return `${withDecimals(time.slice(0, -1), MICROS)}Z`;
}

/** The number, with zeros up to so many decimals; it never has more. */
function withDecimals(number: string, decimals: number): string {
  const point = number.lastIndexOf('.');
  if (point === -1) return `${number}.${'0'.repeat(decimals)}`;
  return number.padEnd(point + 1 + decimals, '0');
}
