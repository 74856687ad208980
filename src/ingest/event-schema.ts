import {
  AMOUNT_DECIMALS_MAX,
  AMOUNT_INTEGER_DIGITS_MAX,
  USER_ID_CODE_POINTS_MAX,
} from '../event/fields.ts';

/** The OpenAPI description of the API. It is documentation only; src/event validates events. */
const EVENT = {
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
    user_id: { type: 'string', minLength: 1, maxLength: USER_ID_CODE_POINTS_MAX },
    total_amount: {
      description:
        `Positive, at most ${AMOUNT_INTEGER_DIGITS_MAX} integer digits and ${AMOUNT_DECIMALS_MAX} decimals, ` +
        'without exponent. Stored exactly.',
      oneOf: [
        { type: 'number', exclusiveMinimum: 0 },
        {
          type: 'string',
          pattern: `^[0-9]{1,${AMOUNT_INTEGER_DIGITS_MAX}}(\\.[0-9]{1,${AMOUNT_DECIMALS_MAX}})?$`,
        },
      ],
    },
    timestamp: {
      type: 'string',
      format: 'date-time',
      description:
        'RFC 3339 with a time zone, 1970 to 9999 in UTC. Digits beyond microseconds are cut off.',
    },
  },
  examples: [
    {
      event_id: '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01',
      order_id: '0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f',
      user_id: 'user-42',
      total_amount: 99.95,
      timestamp: '2026-01-02T03:04:05Z',
    },
  ],
} as const;

const DETAIL = { type: 'object', properties: { detail: { type: 'string' } } } as const;

const FIELD_ERRORS = {
  type: 'object',
  properties: {
    detail: {
      type: 'array',
      maxItems: 100,
      items: {
        type: 'object',
        properties: {
          type: { type: 'string', examples: ['missing', 'uuid_parsing', 'greater_than'] },
          loc: { type: 'array', items: { type: ['string', 'integer'] } },
          msg: { type: 'string' },
          input: {},
          ctx: { type: 'object' },
        },
      },
    },
  },
} as const;

const RECEIPT = {
  Location: { type: 'string', description: 'URL of the status of the event.' },
  'Orderonce-Topic': { type: 'string' },
  'Orderonce-Partition': { type: 'integer' },
  'Orderonce-Offset': { type: 'integer' },
} as const;

const BATCH_RESULT = {
  type: 'object',
  properties: {
    accepted: { type: 'integer' },
    rejected: { type: 'integer' },
    results: {
      type: 'array',
      description: 'One result for each item, in the order of the body.',
      items: {
        type: 'object',
        required: ['index', 'status'],
        properties: {
          index: { type: 'integer' },
          event_id: { type: 'string', format: 'uuid' },
          status: { enum: ['accepted', 'rejected', 'unknown', 'refused'] },
          partition: { type: 'integer' },
          offset: { type: 'integer' },
          detail: {},
        },
      },
    },
  },
} as const;

/** For both requests. */
const ENCODINGS =
  'Any JSON media type in UTF-8 is accepted, including `text/json` and `application/…+json`. ' +
  'The body may be compressed with `Content-Encoding: gzip` or `deflate`. If it cannot be decompressed, the answer is 400.';

const unsupported = (what: string) => ({
  description: `${what}. Nothing was appended. \`detail\` says what is accepted.`,
  headers: {
    'Accept-Encoding': { type: 'string', description: 'Sent if Content-Encoding is the reason.' },
  },
  ...DETAIL,
});

export const POST_BATCH_SCHEMA = {
  summary: 'Accept many order events',
  description:
    'Send a JSON array, or NDJSON with one event per line: at most 10,000 events and 8 MiB after ' +
    'decompression. Each item gets the verdict that POST /events would give it; an invalid item does ' +
    'not affect the others. Send items that are `unknown` or `refused` again, unchanged. If the body ' +
    'cannot be read to its end, the last result says why. ' +
    `The media types \`application/ndjson\` and \`application/jsonl\` also mean NDJSON. ${ENCODINGS}`,
  tags: ['events'],
  consumes: ['application/json', 'application/x-ndjson'],
  body: { type: 'array', maxItems: 10_000, items: EVENT },
  response: {
    202: { description: 'Every valid item was acknowledged by the log.', ...BATCH_RESULT },
    422: { description: 'No item is valid. Nothing was appended.', ...BATCH_RESULT },
    413: { description: 'The body is larger than 8 MiB. Nothing was appended.', ...DETAIL },
    415: unsupported(
      'The body is neither JSON nor NDJSON, or its Content-Encoding is not supported',
    ),
    500: {
      description: 'The log did not acknowledge some items in time. They are `unknown`.',
      ...BATCH_RESULT,
    },
    503: {
      description: 'The queue is full, or the service is stopping. Some items are `refused`.',
      ...BATCH_RESULT,
    },
  },
} as const;

export const POST_EVENT_SCHEMA = {
  summary: 'Accept one order event',
  description:
    'The answer is sent after the log has acknowledged the event. After a 500 or a broken connection, ' +
    `send the same event again: it takes effect once. ${ENCODINGS}`,
  tags: ['events'],
  body: EVENT,
  response: {
    202: {
      description: 'The log has acknowledged the event: it is durable.',
      headers: RECEIPT,
      type: 'object',
      properties: { status: { const: 'accepted' }, event_id: { type: 'string', format: 'uuid' } },
    },
    422: { description: 'The event is not valid. Nothing was appended.', ...FIELD_ERRORS },
    413: {
      description: 'The body is larger than 64 KiB after decompression. Nothing was appended.',
      ...DETAIL,
    },
    415: unsupported('The body is not JSON, or its Content-Encoding is not supported'),
    500: {
      description: 'The log did not acknowledge the event in time. The outcome is unknown.',
      ...DETAIL,
    },
    503: {
      description: 'The queue is full, or the service is stopping. Nothing was appended.',
      ...DETAIL,
    },
  },
} as const;
