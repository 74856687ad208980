/**
 * A faster path for the usual form of an event, which our own API writes into every record and most
 * clients send: fields in the order of the docs, amount as a number or a string, time in UTC with
 * `Z`. It uses one regular expression instead of a parser. Text that does not match completely is
 * left to parseAnyForm; a property test checks that both give the same result.
 */
import {
  AMOUNT_DECIMALS_MAX,
  AMOUNT_INTEGER_DIGITS_MAX,
  USER_ID_CODE_POINTS_MAX,
  UUID_PATTERN,
} from './fields.ts';
import type { OrderEvent } from './order-event.ts';
import { SECOND_DECIMALS_MAX, USUAL_TIMESTAMP_PATTERN } from './timestamp.ts';

const UUID = `(${UUID_PATTERN})`;
/** No escapes, control characters or surrogates, so each code unit is one code point. */
const USER = `([^"\\\\\\u0000-\\u001f\\ud800-\\udfff]{1,${USER_ID_CODE_POINTS_MAX}})`;
const AMOUNT = `((?:0|[1-9]\\d{0,${AMOUNT_INTEGER_DIGITS_MAX - 1}})(?:\\.\\d{1,${AMOUNT_DECIMALS_MAX}})?)`;
const USUAL = new RegExp(
  `^\\{"event_id": ?"${UUID}", ?"order_id": ?"${UUID}", ?"user_id": ?"${USER}", ?` +
    `"total_amount": ?(?:"${AMOUNT}"|${AMOUNT}), ?"timestamp": ?"(${USUAL_TIMESTAMP_PATTERN})"\\}$`,
);
const CANONICAL_TIME = '2026-01-02T03:04:05.123456Z';
const ZERO = `0.${'0'.repeat(AMOUNT_DECIMALS_MAX)}`;

/**
 * @returns null if the text has another form, is not valid, or has the date 29 February; the caller
 * must then use parseAnyForm.
 */
export function parseUsualForm(text: string): OrderEvent | null {
  const match = USUAL.exec(text);
  if (match === null) return null;
  const [, eventId, orderId, userId] = match as unknown as [string, string, string, string];
  const [, , , , inString, inNumber, time] = match as unknown as string[];
  const totalAmount = withDecimals(inString ?? (inNumber as string), AMOUNT_DECIMALS_MAX);
  if (totalAmount === ZERO) return null;
  return { eventId, orderId, userId, totalAmount, timestamp: withMicros(time as string) };
}

function withMicros(time: string): string {
  // Records of our API always have six decimals: no new string is needed.
  if (time.length === CANONICAL_TIME.length) return time;
  return `${withDecimals(time.slice(0, -1), SECOND_DECIMALS_MAX)}Z`;
}

/** The number with zeros appended up to `decimals` decimals. It must not have more than that. */
function withDecimals(number: string, decimals: number): string {
  const point = number.lastIndexOf('.');
  if (point === -1) return `${number}.${'0'.repeat(decimals)}`;
  return number.padEnd(point + 1 + decimals, '0');
}
