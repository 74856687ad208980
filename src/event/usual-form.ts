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
const AMOUNT = '(0|[1-9]\\d{0,13})(?:\\.(\\d{1,4}))?';
const YEAR = '(?:19[7-9]\\d|[2-9]\\d{3})';
/** Days that every year has. */
const DAY =
  '(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)';
const SECOND = `(${YEAR}-${DAY}T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d)`;
const USUAL = new RegExp(
  `^\\{"event_id": ?"${UUID}", ?"order_id": ?"${UUID}", ?"user_id": ?"${USER}", ?` +
    `"total_amount": ?(?:"${AMOUNT}"|${AMOUNT}), ?"timestamp": ?"${SECOND}(?:\\.(\\d{1,6}))?Z"\\}$`,
);
const DECIMALS = 4;
const MICROS = 6;
const ZERO = '0.0000';

/**
 * @returns null where the text is in another form, or not valid, or of 29 February: that is for
 * parseEvent to say.
 */
export function parseUsualForm(text: string): OrderEvent | null {
  const match = USUAL.exec(text);
  if (match === null) return null;
  const [, eventId, orderId, userId] = match as unknown as [string, string, string, string];
  const [, , , , inString, itsDecimals, inNumber, decimals, second, micros] = match;
  const totalAmount = `${inString ?? inNumber}.${(itsDecimals ?? decimals ?? '').padEnd(DECIMALS, '0')}`;
  if (totalAmount === ZERO) return null;
  const timestamp = `${second}.${(micros ?? '').padEnd(MICROS, '0')}Z`;
  return { eventId, orderId, userId, totalAmount, timestamp };
}
