/** Reads the values of options and words. */
import { OrderonceError } from '../errors.ts';
import { type LogPlace, parsePlace } from '../store/log-place.ts';

/** @returns undefined if it was not given. @throws SETTING_INVALID unless it is 1 to `max` */
export function wholeNumber(
  flag: string,
  text: string | undefined,
  max: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw usageError(`${flag} must be a whole number from 1 to ${max}, not "${text}"`);
}

/** Reads log/partition/offset. @throws SETTING_INVALID */
export function placeOf(text: string | undefined): LogPlace {
  const place = parsePlace(text ?? '');
  if (place !== null) return place;
  throw usageError('PLACE must be log/partition/offset as "list" shows it, such as 1/0/17');
}

/** @returns the error for a wrong call of the command; exit code 2. */
export function usageError(message: string): OrderonceError {
  return new OrderonceError('SETTING_INVALID', message);
}
