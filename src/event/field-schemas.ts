/** The JSON Schemas of amounts. A test compares them with the checks of fields.ts. */
import { AMOUNT_DECIMALS_MAX, AMOUNT_INTEGER_DIGITS_MAX } from './fields.ts';

/** Decimals that are not all zero: some zeros, another digit, any further digits. */
const DECIMALS = Array.from({ length: AMOUNT_DECIMALS_MAX }, (_, zeros) => {
  const rest = AMOUNT_DECIMALS_MAX - zeros - 1;
  return `${'0'.repeat(zeros)}[1-9]${rest === 0 ? '' : `[0-9]{0,${rest}}`}`;
}).join('|');
const AMOUNT =
  `^0*([1-9][0-9]{0,${AMOUNT_INTEGER_DIGITS_MAX - 1}}(\\.[0-9]{1,${AMOUNT_DECIMALS_MAX}})?` +
  `|0\\.(${DECIMALS}))$`;

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
