/**
 * The JSON Schema of an event, for the descriptions of the APIs. It accepts what parse-event.ts
 * accepts, as far as a JSON Schema can say it; a test compares the two.
 */
import {
  AMOUNT_DECIMALS_MAX,
  AMOUNT_INTEGER_DIGITS_MAX,
  USER_ID_CODE_POINTS_MAX,
} from './fields.ts';
import { TIMESTAMP_PATTERN, YEAR_MAX, YEAR_MIN } from './timestamp.ts';

/** Decimals that are not all zero: some zeros, another digit, any further digits. */
const DECIMALS = Array.from({ length: AMOUNT_DECIMALS_MAX }, (_, zeros) => {
  const rest = AMOUNT_DECIMALS_MAX - zeros - 1;
  return `${'0'.repeat(zeros)}[1-9]${rest === 0 ? '' : `[0-9]{0,${rest}}`}`;
}).join('|');
const AMOUNT =
  `^0*([1-9][0-9]{0,${AMOUNT_INTEGER_DIGITS_MAX - 1}}(\\.[0-9]{1,${AMOUNT_DECIMALS_MAX}})?` +
  `|0\\.(${DECIMALS}))$`;

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
      pattern: TIMESTAMP_PATTERN,
      description:
        `RFC 3339, ${YEAR_MIN} to ${YEAR_MAX} in UTC. A space for \`T\`, no seconds, a comma before the ` +
        'fraction, a zone as `+0200`, `+02` or `UTC`, and a zone name in brackets after the offset are ' +
        'accepted too. A time without a zone is not. It is stored in UTC; digits beyond microseconds ' +
        'are cut off.',
    },
  },
} as const;
