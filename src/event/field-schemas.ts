/** The JSON Schemas of amounts and times. A test compares them with the checks of fields.ts. */
import { AMOUNT_DECIMALS_MAX, AMOUNT_INTEGER_DIGITS_MAX } from './fields.ts';

/** Decimals that are not all zero: some zeros, another digit, any further digits. */
const DECIMALS = Array.from({ length: AMOUNT_DECIMALS_MAX }, (_, zeros) => {
  const rest = AMOUNT_DECIMALS_MAX - zeros - 1;
  return `${'0'.repeat(zeros)}[1-9]${rest === 0 ? '' : `[0-9]{0,${rest}}`}`;
}).join('|');
const AMOUNT =
  `^0*([1-9][0-9]{0,${AMOUNT_INTEGER_DIGITS_MAX - 1}}(\\.[0-9]{1,${AMOUNT_DECIMALS_MAX}})?` +
  `|0\\.(${DECIMALS}))$`;

/** Leap years from 1970 to 9999. */
const LEAP_YEAR =
  '(19(7[26]|8[048]|9[26])|[2-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[3579][26])00)';
const DATE =
  '((19[7-9][0-9]|[2-9][0-9]{3})-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])' +
  '|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))' +
  `|${LEAP_YEAR}-02-29)`;
const CLOCK = '([01][0-9]|2[0-3]):[0-5][0-9]';
const TIMESTAMP = `^${DATE}[Tt]${CLOCK}:[0-5][0-9](\\.[0-9]+)?([Zz]|[+-]${CLOCK})$`;

/** Of a positive amount. */
export const AMOUNT_SCHEMA = {
  oneOf: [
    {
      type: 'number',
      exclusiveMinimum: 0,
      exclusiveMaximum: 10 ** AMOUNT_INTEGER_DIGITS_MAX,
      multipleOf: Number(`1e-${AMOUNT_DECIMALS_MAX}`),
    },
    { type: 'string', pattern: AMOUNT },
  ],
} as const;

/** Of an amount with a sign. */
export const SIGNED_AMOUNT_SCHEMA = {
  oneOf: [
    {
      type: 'number',
      not: { const: 0 },
      exclusiveMinimum: -(10 ** AMOUNT_INTEGER_DIGITS_MAX),
      exclusiveMaximum: 10 ** AMOUNT_INTEGER_DIGITS_MAX,
      multipleOf: Number(`1e-${AMOUNT_DECIMALS_MAX}`),
    },
    { type: 'string', pattern: AMOUNT.replace('^', '^-?') },
  ],
} as const;

export const TIMESTAMP_SCHEMA = {
  type: 'string',
  format: 'date-time',
  pattern: TIMESTAMP,
} as const;
