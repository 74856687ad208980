/**
 * The one table of the envelope: the fields that every order event has. Everything else that knows
 * them is derived from it, once, when the modules are loaded: the check of a payload, the pattern of
 * the usual form, the canonical JSON, the digest, the columns of processed_events and the statements
 * that write and read them, the JSON Schema of the APIs, their examples, and the docs.
 *
 * A further field may only be optional, and needs a line here and a migration that adds its column.
 */
import type { FieldVerdict } from './field-error.ts';
import { AMOUNT_SCHEMA } from './field-schemas.ts';
import {
  AMOUNT_DECIMALS_MAX,
  AMOUNT_INTEGER_DIGITS_MAX,
  checkAmount,
  checkUserId,
  checkUuid,
  USER_ID_CODE_POINTS_MAX,
  UUID_PATTERN,
} from './fields.ts';
import {
  checkTimestamp,
  SECOND_DECIMALS_MAX,
  TIMESTAMP_PATTERN,
  USUAL_TIMESTAMP_PATTERN,
  YEAR_MAX,
  YEAR_MIN,
} from './timestamp.ts';

/** One field of the envelope. */
export type EnvelopeField = {
  /** The key in JSON. */
  readonly name: string;
  /** The property of an OrderEvent and of the events that handlers get. */
  readonly property: string;
  /** The column in processed_events. */
  readonly column: string;
  readonly sqlType: 'uuid' | 'text' | 'numeric' | 'timestamptz';
  /** `by type`: a declared type of events may say that it has none. */
  readonly presence: 'always' | 'by type' | 'optional';
  /** Its place in the text that the digest of the first release covers; null for a later field. */
  readonly digestAt: number | null;
  /** Takes the JSON source text of a value, and returns the canonical value. */
  readonly check: (source: string) => FieldVerdict;
  readonly usual: UsualForm;
  readonly schema: object;
  readonly example: string | number;
  /** What it means, for readers of the docs. */
  readonly description: string;
};

/** How a value is usually written, for the fast path of usual-form.ts. */
type UsualForm = {
  /** Matches only values that `check` accepts, or for which `canonical` returns null. */
  readonly pattern: string;
  /** How many capturing groups the pattern has. Exactly one of them matches. */
  readonly groups: number;
  /**
   * The canonical value of a matched text; null if it must be left to `check`. Absent if the text is
   * canonical as it is.
   */
  readonly canonical?: (matched: string) => string | null;
};

const UUID: UsualForm = { pattern: `"(${UUID_PATTERN})"`, groups: 1 };

const AMOUNT = `(?:0|[1-9]\\d{0,${AMOUNT_INTEGER_DIGITS_MAX - 1}})(?:\\.\\d{1,${AMOUNT_DECIMALS_MAX}})?`;
const ZERO = `0.${'0'.repeat(AMOUNT_DECIMALS_MAX)}`;

const CANONICAL_TIME = '2026-01-02T03:04:05.123456Z';

export const ENVELOPE = [
  {
    name: 'event_id',
    property: 'eventId',
    column: 'event_id',
    sqlType: 'uuid',
    presence: 'always',
    digestAt: 0,
    check: checkUuid,
    usual: UUID,
    schema: { type: 'string', format: 'uuid' },
    example: '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01',
    description: 'Created by the client before the first send, and the same in every resend.',
  },
  {
    name: 'order_id',
    property: 'orderId',
    column: 'order_id',
    sqlType: 'uuid',
    presence: 'always',
    digestAt: 1,
    check: checkUuid,
    usual: UUID,
    schema: { type: 'string', format: 'uuid' },
    example: '0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f',
    description: 'Also the partition key.',
  },
  {
    name: 'user_id',
    property: 'userId',
    column: 'user_id',
    sqlType: 'text',
    presence: 'always',
    // Last, because only this field may contain a line feed.
    digestAt: 4,
    check: checkUserId,
    usual: {
      // No escapes, control characters or surrogates, so each code unit is one code point.
      pattern: `"([^"\\\\\\u0000-\\u001f\\ud800-\\udfff]{1,${USER_ID_CODE_POINTS_MAX}})"`,
      groups: 1,
    },
    schema: {
      type: 'string',
      minLength: 1,
      maxLength: USER_ID_CODE_POINTS_MAX,
      pattern: '^[^\\u0000]*$',
    },
    example: 'user-42',
    description: 'Any text without NUL characters and lone surrogates.',
  },
  {
    name: 'total_amount',
    property: 'totalAmount',
    column: 'total_amount',
    sqlType: 'numeric',
    presence: 'by type',
    digestAt: 2,
    check: checkAmount,
    usual: {
      pattern: `(?:"(${AMOUNT})"|(${AMOUNT}))`,
      groups: 2,
      canonical: (matched) => {
        const amount = withDecimals(matched, AMOUNT_DECIMALS_MAX);
        return amount === ZERO ? null : amount;
      },
    },
    schema: AMOUNT_SCHEMA,
    example: 99.95,
    description:
      `A number or a string, positive, with at most ${AMOUNT_INTEGER_DIGITS_MAX} integer digits and ` +
      `${AMOUNT_DECIMALS_MAX} decimals, without exponent. It is stored exactly.`,
  },
  {
    name: 'timestamp',
    property: 'timestamp',
    column: 'occurred_at',
    sqlType: 'timestamptz',
    presence: 'always',
    digestAt: 3,
    check: checkTimestamp,
    usual: {
      pattern: `"(${USUAL_TIMESTAMP_PATTERN})"`,
      groups: 1,
      // Records of our API always have six decimals: no new string is needed.
      canonical: (matched) =>
        matched.length === CANONICAL_TIME.length
          ? matched
          : `${withDecimals(matched.slice(0, -1), SECOND_DECIMALS_MAX)}Z`,
    },
    schema: { type: 'string', pattern: TIMESTAMP_PATTERN },
    example: '2026-01-02T03:04:05Z',
    description:
      `RFC 3339, ${YEAR_MIN} to ${YEAR_MAX} in UTC. A space for \`T\`, no seconds, a comma before the ` +
      'fraction, a zone as `+0200`, `+02` or `UTC`, and a zone name in brackets after the offset are ' +
      'accepted too. A time without a zone is not. It is stored in UTC; digits beyond microseconds ' +
      'are cut off.',
  },
] as const satisfies readonly EnvelopeField[];

type Fields = (typeof ENVELOPE)[number];

/** The fields of an event, each as text in its canonical form. */
export type Envelope = {
  readonly [F in Fields as F['property']]: F['presence'] extends 'always' ? string : string | null;
};

/** The key of a field in JSON. */
export type FieldName = Fields['name'];

/** The number with zeros appended up to `decimals` decimals. It must not have more than that. */
function withDecimals(number: string, decimals: number): string {
  const point = number.lastIndexOf('.');
  if (point === -1) return `${number}.${'0'.repeat(decimals)}`;
  return number.padEnd(point + 1 + decimals, '0');
}
