/**
 * One check for each kind of field but the timestamp, which has a file of its own. Each takes the
 * JSON source text of a value and returns the value in its canonical form. G8 rests on them: the
 * built-in tables store every value that passes, equal to the last digit, and a value that they
 * would refuse is refused here.
 */
import { accept, type FieldVerdict, refuse } from './field-error.ts';
import { isString, textOf } from './json-members.ts';

/** The longest user_id, in Unicode code points. */
export const USER_ID_CODE_POINTS_MAX = 255;
export const AMOUNT_INTEGER_DIGITS_MAX = 14;
export const AMOUNT_DECIMALS_MAX = 4;

/** The text form of RFC 9562, in lower case. */
export const UUID_PATTERN = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const UUID = new RegExp(`^${UUID_PATTERN}$`, 'i');
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/**
 * Accepts the text form of RFC 9562 with hyphens, in any case. Braces and `urn:uuid:` are refused.
 */
export function checkUuid(source: string): FieldVerdict {
  if (!isString(source)) return refuse('uuid_type', 'UUID input should be a string');
  const text = textOf(source);
  if (UUID.test(text)) return accept(text.toLowerCase());
  return refuse(
    'uuid_parsing',
    'Input should be a valid UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx',
  );
}

/** The longest text id, in Unicode code points. */
export const TEXT_ID_CODE_POINTS_MAX = 200;

/** Accepts 1 to 200 code points without NUL and lone surrogates, as an id of another system. */
export function checkTextId(source: string): FieldVerdict {
  return checkText(source, TEXT_ID_CODE_POINTS_MAX);
}

/** Accepts 1 to 255 code points without NUL and lone surrogates. The text is not normalised. */
export function checkUserId(source: string): FieldVerdict {
  return checkText(source, USER_ID_CODE_POINTS_MAX);
}

function checkText(source: string, codePointsMax: number): FieldVerdict {
  if (!isString(source)) return refuse('string_type', 'Input should be a valid string');
  const text = textOf(source);
  if (text.length === 0) {
    return refuse('string_too_short', 'String should have at least 1 character', { min_length: 1 });
  }
  // A lone surrogate has no UTF-8 form. It would be stored as U+FFFD, and two ids could become one.
  if (!text.isWellFormed()) {
    return refuse('string_unicode', 'Input should be a valid string without lone surrogates');
  }
  // PostgreSQL's text cannot hold U+0000 (manual, section 8.3).
  if (text.includes('\0')) {
    return refuse('string_unicode', 'Input should be a valid string without NUL characters');
  }
  if (text.length > codePointsMax && codePoints(text) > codePointsMax) {
    return refuse('string_too_long', `String should have at most ${codePointsMax} characters`, {
      max_length: codePointsMax,
    });
  }
  return accept(text);
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/**
 * Accepts a JSON number or a decimal string that is positive. The digits come from the source text,
 * never a float.
 */
export function checkAmount(source: string): FieldVerdict {
  return checkDecimal(source, POSITIVE);
}

/** Accepts an amount as checkAmount does, and negative ones, but not 0. */
export function checkSignedAmount(source: string): FieldVerdict {
  return checkDecimal(source, NOT_ZERO);
}

/** The verdict for an amount that must be positive and is not. */
export const POSITIVE = refuse('greater_than', 'Input should be greater than 0', { gt: 0 });
const NOT_ZERO = refuse('not_equal', 'Input should not be 0', { ne: 0 });

/** @param sign what is refused: every amount that is not positive, or only 0. */
function checkDecimal(source: string, sign: typeof POSITIVE | typeof NOT_ZERO): FieldVerdict {
  const isNumber = /^[-\d]/.test(source);
  if (!isNumber && !isString(source)) {
    return refuse('decimal_type', 'Decimal input should be a number or a string');
  }
  const match = DECIMAL.exec(isNumber ? source : textOf(source));
  if (match === null) {
    return refuse('decimal_parsing', 'Input should be a valid decimal without exponent');
  }
  const [, minus, digits = '', decimals = ''] = match;
  // A step of its own, because `0*(\d+)` as part of the pattern would backtrack in quadratic time.
  const integer = digits.replace(/^0+(?=\d)/, '');
  if ((minus === '-' && sign === POSITIVE) || /^0*$/.test(integer + decimals)) return sign;
  if (integer.length > AMOUNT_INTEGER_DIGITS_MAX) {
    return refuse(
      'decimal_whole_digits',
      `Decimal input should have no more than ${AMOUNT_INTEGER_DIGITS_MAX} digits before the decimal point`,
      { whole_digits: AMOUNT_INTEGER_DIGITS_MAX },
    );
  }
  if (decimals.length > AMOUNT_DECIMALS_MAX) {
    return refuse(
      'decimal_max_places',
      `Decimal input should have no more than ${AMOUNT_DECIMALS_MAX} decimal places`,
      {
        decimal_places: AMOUNT_DECIMALS_MAX,
      },
    );
  }
  return accept(`${minus}${integer}.${decimals.padEnd(AMOUNT_DECIMALS_MAX, '0')}`);
}
