/** The API in OpenAPI terms. Documentation only: src/event is what validates. */
const EVENT = {
  type: 'object',
  additionalProperties: false,
  required: ['event_id', 'order_id', 'user_id', 'total_amount', 'timestamp'],
  properties: {
    event_id: {
      type: 'string',
      format: 'uuid',
      description: 'Made by the client before the first send and kept for every resend.',
    },
    order_id: { type: 'string', format: 'uuid', description: 'Also the partition key.' },
    user_id: { type: 'string', minLength: 1, maxLength: 255 },
    total_amount: {
      description: 'Positive; at most 14 integer digits and 4 decimals; kept exact. No exponent.',
      oneOf: [
        { type: 'number', exclusiveMinimum: 0 },
        { type: 'string', pattern: '^[0-9]{1,14}(\\.[0-9]{1,4})?$' },
      ],
    },
    timestamp: {
      type: 'string',
      format: 'date-time',
      description: 'RFC 3339 with a zone, 1970 to 9999 in UTC; cut to microseconds.',
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
  Location: { type: 'string', description: 'Where its status can be read.' },
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
      description: 'One for each item, in the order of the body.',
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

/** Of both requests. */
const ENCODINGS =
  'Any JSON media type is taken, `text/json` and `application/…+json` among them, in UTF-8. ' +
  'The body may be packed: `Content-Encoding: gzip` or `deflate`; 400 where it is not what that says.';

const unsupported = (what: string) => ({
  description: `${what}; nothing was appended. \`detail\` names what is taken.`,
  headers: {
    'Accept-Encoding': { type: 'string', description: 'Where it is about Content-Encoding.' },
  },
  ...DETAIL,
});

export const POST_BATCH_SCHEMA = {
  summary: 'Accept many order events',
  description:
    'A JSON array, or NDJSON with one event per line; at most 10,000 events and 8 MiB, unpacked. Each ' +
    'item gets the verdict that POST /events would give it; invalid ones never stop valid ones. Items ' +
    'that are `unknown` or `refused` should be sent again as they are. Where the body cannot be read to ' +
    'its end, the last result says why. ' +
    `NDJSON may also be called \`application/ndjson\` or \`application/jsonl\`. ${ENCODINGS}`,
  tags: ['events'],
  consumes: ['application/json', 'application/x-ndjson'],
  body: { type: 'array', maxItems: 10_000, items: EVENT },
  response: {
    202: { description: 'Every valid item was acknowledged by the log.', ...BATCH_RESULT },
    422: { description: 'No item is valid; nothing was appended.', ...BATCH_RESULT },
    413: { description: 'Body larger than 8 MiB; nothing was appended.', ...DETAIL },
    415: unsupported('Neither JSON nor NDJSON, or packed in another way'),
    500: { description: 'The log did not acknowledge some in time: `unknown`.', ...BATCH_RESULT },
    503: { description: 'Queue full or stopping: some are `refused`.', ...BATCH_RESULT },
  },
} as const;

export const POST_EVENT_SCHEMA = {
  summary: 'Accept one order event',
  description:
    'Answers once the log has acknowledged the event. Send the same event again after a 500 or a ' +
    `broken connection: it takes effect once. ${ENCODINGS}`,
  tags: ['events'],
  body: EVENT,
  response: {
    202: {
      description: 'Acknowledged by the log: durable.',
      headers: RECEIPT,
      type: 'object',
      properties: { status: { const: 'accepted' }, event_id: { type: 'string', format: 'uuid' } },
    },
    422: { description: 'Not a valid event; nothing was appended.', ...FIELD_ERRORS },
    413: { description: 'Body larger than 64 KiB, unpacked; nothing was appended.', ...DETAIL },
    415: unsupported('Not JSON, or packed in another way'),
    500: { description: 'Not acknowledged in time: the outcome is unknown.', ...DETAIL },
    503: { description: 'Queue full or stopping; nothing was appended.', ...DETAIL },
  },
} as const;
