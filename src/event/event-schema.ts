/**
 * The JSON Schema of an event, for the descriptions of the APIs. It accepts what parse-event.ts
 * accepts, as far as a JSON Schema can say it; a test compares the two.
 */
import {
  AMOUNT_DECIMALS_MAX,
  AMOUNT_INTEGER_DIGITS_MAX,
  USER_ID_CODE_POINTS_MAX,
} from './fields.ts';

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

/** An event with the usual values, for examples. */
export const EVENT_EXAMPLE = {
  event_id: '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01',
  order_id: '0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f',
  user_id: 'user-42',
  total_amount: 99.95,
  timestamp: '2026-01-02T03:04:05Z',
} as const;

export const EVENT_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['event_id', 'order_id', 'user_id', 'total_amount', 'timestamp'],
  properties: {
    event_id: {
      type: 'string',
      format: 'uuid',
      description: 'Created by the client before the first send, and the same in every resend.',
    },
    order_id: { type: 'string', format: 'uuid', description: 'Also the partition key.' },
    user_id: {
      type: 'string',
      minLength: 1,
      maxLength: USER_ID_CODE_POINTS_MAX,
      pattern: '^[^\\u0000]*$',
      description: 'Any text without NUL characters and lone surrogates.',
    },
    total_amount: {
      description:
        `A number or a string, positive, with at most ${AMOUNT_INTEGER_DIGITS_MAX} integer digits and ` +
        `${AMOUNT_DECIMALS_MAX} decimals, without exponent. It is stored exactly.`,
      oneOf: [
        {
          type: 'number',
          exclusiveMinimum: 0,
          exclusiveMaximum: 10 ** AMOUNT_INTEGER_DIGITS_MAX,
          multipleOf: Number(`1e-${AMOUNT_DECIMALS_MAX}`),
        },
        { type: 'string', pattern: AMOUNT },
      ],
    },
    timestamp: {
      type: 'string',
      format: 'date-time',
      pattern: TIMESTAMP,
      description:
        'RFC 3339 with a time zone, 1970 to 9999 in UTC. Digits beyond microseconds are cut off.',
    },
  },
} as const;
