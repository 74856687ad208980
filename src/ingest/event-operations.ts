/** The descriptions of the routes that accept events. */
import { EVENT_EXAMPLE } from '../event/event-schema.ts';
import {
  type ApiContent,
  type ApiHeader,
  type ApiResponse,
  json,
  type Operation,
  record,
  type Schema,
} from '../runtime/operation.ts';
import { detail, FIELD_ERRORS, fieldErrors, RETRY_AFTER } from '../runtime/operation-errors.ts';
import { BATCH_ITEMS_MAX } from './accept-batch.ts';

const EVENT = { $ref: '#/components/schemas/Event' };
const UUID = { type: 'string', format: 'uuid' };
const COUNT = { type: 'integer', minimum: 0 };
const STATUS_URL = `http://127.0.0.1:8001/events/${EVENT_EXAMPLE.event_id}`;
const MISSING = {
  type: 'missing',
  loc: ['body', 'user_id'],
  msg: 'Field required',
  input: { event_id: EVENT_EXAMPLE.event_id },
};

/** For both requests. */
const ENCODINGS =
  'Any JSON media type in UTF-8 is accepted, including `text/json` and `application/…+json`. ' +
  'The body may be compressed with `Content-Encoding: gzip` or `deflate`. If it cannot be decompressed, the answer is 400.';

const REQUEST_ID: ApiHeader = {
  description:
    'The id of this request, which is also in the record. Quote it when you report a problem.',
  schema: UUID,
  example: '019f0a6b-3c5e-7000-8a3b-0d5f2c1b9e77',
};
const RECEIPT = {
  Location: {
    description: 'The URL of the status of the event.',
    schema: { type: 'string', format: 'uri' },
    example: STATUS_URL,
  },
  'Orderonce-Request-Id': REQUEST_ID,
  'Orderonce-Topic': {
    description: 'The topic of the record.',
    schema: { type: 'string' },
    example: 'order_events',
  },
  'Orderonce-Partition': {
    description: 'The partition of the record.',
    schema: COUNT,
    example: 3,
  },
  'Orderonce-Offset': {
    description: 'The offset of the record in its partition.',
    schema: COUNT,
    example: 41,
  },
} satisfies Record<string, ApiHeader>;
const WITH_ID = { 'Orderonce-Request-Id': REQUEST_ID };

const jsonBody = (schema: Schema, example: unknown): ApiContent => ({
  'application/json': { schema, example },
});

export const POST_EVENT: Operation = {
  summary: 'Accept one order event',
  description:
    'The answer is sent after the log has acknowledged the event. After a 500 or a broken connection, ' +
    `send the same event again: it takes effect once. ${ENCODINGS}`,
  tags: ['events'],
  requestBody: {
    description:
      'The event, at most `EVENT_BYTES_MAX` bytes (64 KiB by default). A key must not occur twice.',
    required: true,
    content: jsonBody(EVENT, EVENT_EXAMPLE),
  },
  responses: {
    202: json(
      'The log has acknowledged the event: it is durable.',
      record({ status: { const: 'accepted' }, event_id: UUID }),
      { status: 'accepted', event_id: EVENT_EXAMPLE.event_id },
      RECEIPT,
    ),
    413: {
      description:
        'The event is larger than `EVENT_BYTES_MAX` (64 KiB by default) after decompression or in its ' +
        'canonical form, or the record is larger than the topic accepts. Nothing was appended.',
      content: jsonBody(
        { anyOf: [{ $ref: '#/components/schemas/Error' }, FIELD_ERRORS] },
        { detail: 'Request body is over 65536 bytes' },
      ),
    },
    422: {
      ...fieldErrors(
        'The event is not valid; all errors are listed. Nothing was appended.',
        MISSING,
      ),
      headers: WITH_ID,
    },
    500: detail(
      'The log did not acknowledge the event in time. The outcome is unknown: send the event again.',
      'Internal Server Error',
      WITH_ID,
    ),
    503: detail(
      'The queue is full, or the service is stopping. Nothing was appended.',
      '10000 events wait for the log',
      { ...WITH_ID, 'Retry-After': RETRY_AFTER },
    ),
  },
};

const BATCH = { type: 'array', minItems: 1, maxItems: BATCH_ITEMS_MAX, items: EVENT };
const RESULT = {
  type: 'object',
  required: ['index', 'status'],
  properties: {
    index: { ...COUNT, description: 'The place of the item in the body, from 0.' },
    event_id: { ...UUID, description: 'Absent if the item is rejected.' },
    status: {
      enum: ['accepted', 'rejected', 'unknown', 'refused'],
      description:
        '`accepted`: the log has it. `rejected`: it is not valid. `unknown`: the log did not ' +
        'acknowledge it. `refused`: it was not appended.',
    },
    partition: { ...COUNT, description: 'Of the record; only if accepted.' },
    offset: { ...COUNT, description: 'Of the record; only if accepted.' },
    detail: {
      anyOf: [
        { type: 'array', items: { $ref: '#/components/schemas/FieldError' } },
        { type: 'string' },
      ],
      description:
        'What is wrong; only if rejected or refused. In an answer with very many errors, those of ' +
        'later items are left out: `detail` has the type `not_listed`. Send such an item alone to ' +
        'see its errors.',
    },
  },
};
const VERDICTS = record({
  accepted: COUNT,
  rejected: COUNT,
  results: {
    type: 'array',
    maxItems: BATCH_ITEMS_MAX + 1,
    description: 'One result for each item, in the order of the body.',
    items: RESULT,
  },
});
const ACCEPTED = {
  index: 0,
  event_id: EVENT_EXAMPLE.event_id,
  status: 'accepted',
  partition: 3,
  offset: 41,
};
const verdicts = (description: string, example: object, isRefusal = false): ApiResponse =>
  json(description, VERDICTS, example, isRefusal ? { 'Retry-After': RETRY_AFTER } : {});

export const POST_BATCH: Operation = {
  summary: 'Accept many order events',
  description:
    'Send a JSON array, or NDJSON with one event per line: at most 10,000 events and 8 MiB after ' +
    'decompression. Each item gets the verdict that POST /events would give it; an invalid item does ' +
    'not affect the others. Send items that are `unknown` or `refused` again, unchanged. If the body ' +
    'cannot be read to its end, the last result says why. An empty batch (`[]`, or no line) has no ' +
    'valid item: it is answered 422 with an empty list of results. ' +
    `The media types \`application/ndjson\` and \`application/jsonl\` also mean NDJSON. ${ENCODINGS}`,
  tags: ['events'],
  requestBody: {
    description: 'The events, as a JSON array or one per line.',
    required: true,
    content: {
      ...jsonBody(BATCH, [EVENT_EXAMPLE]),
      // OpenAPI 3.1 describes a sequence as an array; in the body, each item is one line.
      'application/x-ndjson': { schema: BATCH, example: [EVENT_EXAMPLE] },
    },
  },
  responses: {
    202: verdicts('The log has acknowledged every valid item; there is at least one.', {
      accepted: 1,
      rejected: 1,
      results: [ACCEPTED, { index: 1, status: 'rejected', detail: [MISSING] }],
    }),
    413: detail(
      'The body is larger than 8 MiB after decompression. Nothing was appended.',
      'Request body is over 8388608 bytes',
    ),
    415: detail(
      'The body is neither JSON nor NDJSON, or its Content-Encoding is not supported. `detail` says ' +
        'what is accepted. Nothing was appended.',
      'There is no Content-Type. Send application/json (an array) or application/x-ndjson (an event per line), in UTF-8',
    ),
    422: verdicts('No item is valid, or the batch is empty. Nothing was appended.', {
      accepted: 0,
      rejected: 0,
      results: [],
    }),
    500: {
      description:
        'The log did not acknowledge some items in time; they are `unknown`. After an unexpected error ' +
        'there is only `detail`.',
      content: jsonBody(
        { anyOf: [VERDICTS, { $ref: '#/components/schemas/Error' }] },
        {
          accepted: 0,
          rejected: 0,
          results: [{ index: 0, event_id: EVENT_EXAMPLE.event_id, status: 'unknown' }],
        },
      ),
    },
    503: verdicts(
      'The queue is full, or the service is stopping. Some items are `refused`.',
      {
        accepted: 0,
        rejected: 0,
        results: [
          {
            index: 0,
            event_id: EVENT_EXAMPLE.event_id,
            status: 'refused',
            detail: '10000 events wait for the log',
          },
        ],
      },
      true,
    ),
  },
};

export const GET_EVENT_REDIRECT: Operation = {
  summary: 'Redirect to the status of an event',
  description:
    'The consumer service answers for the status of events. The query string is kept, so `?wait=5` ' +
    'works here too.',
  tags: ['events'],
  parameters: [
    {
      name: 'event_id',
      in: 'path',
      required: true,
      description: 'The event. The consumer service checks it.',
      schema: { type: 'string', minLength: 1 },
      example: EVENT_EXAMPLE.event_id,
    },
    {
      name: 'wait',
      in: 'query',
      description: 'Seconds to wait for an unknown event. The consumer service checks it.',
      schema: { type: 'string' },
      example: '5',
    },
  ],
  responses: {
    307: {
      description: 'The status is at the URL in `Location`.',
      headers: { Location: RECEIPT.Location },
    },
  },
};
