/** The descriptions of the routes that answer for events, orders and positions. */
import { EVENT_EXAMPLE } from '../event/event-schema.ts';
import {
  json,
  nullable,
  type Operation,
  pageSchema,
  payload,
  record,
  type Schema,
} from '../runtime/operation.ts';
import {
  detail,
  fieldErrors,
  PARAMETERS_REFUSED,
  RETRY_AFTER,
} from '../runtime/operation-errors.ts';
import { envelopeParts, eventRecord } from './event-parts.ts';
import {
  AMOUNT,
  AT,
  AT_EXAMPLE,
  COUNT,
  DIGEST,
  DIGEST_EXAMPLE,
  ID,
  idInPath,
  PAGING_TEXTS,
  PLACE_TEXT,
  REQUEST_ID_EXAMPLE,
  TEXT,
  TIME,
  TIME_EXAMPLE,
} from './parts.ts';
import { describeQuery, PLACE, wholeNumber } from './query-string.ts';

/** The longest `?wait=` of a request in seconds. */
export const WAIT_SECONDS_MAX = 30;
/** The parameters of GET /events/{event_id}. */
export const OF_EVENT = { wait: wholeNumber(0, WAIT_SECONDS_MAX) };
/** The parameters of GET /orders/{order_id}/events. */
export const OF_ORDER_EVENTS = { after: PLACE, limit: wholeNumber(1, 1000) };

const POSITION = record({ topic: TEXT, ...AT });
const OF_ALL = {
  event_id: ID,
  digest: { ...DIGEST, description: 'SHA-256 of the canonical event.' },
  request_id: { ...nullable(ID), description: 'Null if another client wrote the record.' },
  position: POSITION,
  duplicates: { ...COUNT, description: 'How many records repeat the event.' },
  conflicts: { ...COUNT, description: 'How many records have its event_id and another payload.' },
};
const STORED = eventRecord({
  ...OF_ALL,
  status: { const: 'stored' },
  ...envelopeParts('event_id'),
  processed_at: TIME,
});
const NOT_STORED = record({
  ...OF_ALL,
  status: { enum: ['parked', 'waiting', 'discarded'] },
  reason: TEXT,
  sqlstate: nullable(TEXT),
  payload: payload({ type: 'object', description: 'The event of the dead letter.' }),
  parked_at: TIME,
});
const EVENT_FACTS = {
  event_id: EVENT_EXAMPLE.event_id,
  user_id: EVENT_EXAMPLE.user_id,
  total_amount: '99.9500',
  timestamp: '2026-01-02T03:04:05.000000Z',
  processed_at: TIME_EXAMPLE,
};
const BAD_ID = {
  type: 'uuid_parsing',
  loc: ['path', 'event_id'],
  msg: 'Input should be a valid UUID',
  input: 'x',
};

export const GET_EVENT: Operation = {
  summary: 'Status, payload and position of an event',
  tags: ['events'],
  parameters: [
    idInPath('event_id', 'The event.'),
    ...describeQuery(OF_EVENT, {
      wait:
        'The answer comes as soon as the event is known, or after this many seconds. Default: 0, do ' +
        'not wait.',
    }),
  ],
  responses: {
    200: json(
      'The event is stored, or it is a dead letter.',
      { oneOf: [STORED, NOT_STORED] },
      {
        ...EVENT_FACTS,
        status: 'stored',
        order_id: EVENT_EXAMPLE.order_id,
        digest: DIGEST_EXAMPLE,
        request_id: REQUEST_ID_EXAMPLE,
        position: { topic: 'order_events', ...AT_EXAMPLE },
        duplicates: 1,
        conflicts: 0,
      },
    ),
    404: detail(
      'No event with this id has been processed. It may still be in the log.',
      'Unknown: no event with this event_id has been processed.',
    ),
    422: fieldErrors('The id is not a UUID, or a parameter is not valid.', BAD_ID),
    503: detail('Too many requests wait.', 'Too many requests are waiting.', {
      'Retry-After': RETRY_AFTER,
    }),
  },
};

const ORDER_EVENT = eventRecord({
  place: PLACE_TEXT,
  ...AT,
  ...envelopeParts('order_id'),
  processed_at: TIME,
});
const ORDER_EVENT_EXAMPLE = { place: '1/3/41', ...AT_EXAMPLE, ...EVENT_FACTS };
const EVENTS_PAGE = pageSchema(ORDER_EVENT);
const { items: EVENTS, next: NEXT } = EVENTS_PAGE.properties as Record<string, object>;

const HOLDER = record({
  place: PLACE_TEXT,
  event_id: nullable(ID),
  state: { enum: ['parked', 'waiting'] },
  reason: TEXT,
  sqlstate: nullable(TEXT),
  parked_at: TIME,
});

/** Only an order with amounts in currencies has the sums of these. */
function orderRecord(parts: Readonly<Record<string, Schema>>): Schema {
  const amount_sums = payload({
    type: 'object',
    additionalProperties: AMOUNT,
    description: 'Of events with a currency, by currency.',
  });
  return { ...record(parts), properties: { ...parts, amount_sums } };
}

export const GET_ORDER: Operation = {
  summary: 'The sums of an order, what holds it, and its first events',
  description:
    '`GET /orders/{order_id}/events` lists the events behind `next`. An order of which nothing is stored, ' +
    'but which has dead letters, has `event_count` 0, and null where a stored event would be needed.',
  tags: ['orders'],
  parameters: [idInPath('order_id', 'The order.')],
  responses: {
    200: json(
      'The order.',
      orderRecord({
        order_id: ID,
        user_id: payload(TEXT),
        total_amount: payload({ ...AMOUNT, description: 'Of the last event.' }),
        event_count: { ...COUNT, description: 'How many of its events are stored; may be 0.' },
        amount_sum: payload({
          ...TEXT,
          description: 'Of all stored events without a currency. Exact, as decimal text.',
        }),
        last_event_id: nullable(ID),
        first_timestamp: nullable(TIME),
        last_timestamp: nullable(TIME),
        updated_at: nullable(TIME),
        held: {
          type: ['object', 'null'],
          description: 'What holds the order; null if nothing does.',
          required: ['since', 'by', 'parked', 'waiting'],
          properties: {
            since: TIME,
            by: {
              ...HOLDER,
              description: 'The first dead letter of the order: redrive or discard it first.',
            },
            parked: COUNT,
            waiting: { ...COUNT, description: 'How many events wait behind it.' },
          },
        },
        discarded: { ...COUNT, description: 'How many of its events were given up.' },
        events: { ...EVENTS },
        next: { ...NEXT },
      }),
      {
        order_id: EVENT_EXAMPLE.order_id,
        user_id: EVENT_EXAMPLE.user_id,
        total_amount: '99.9500',
        event_count: 1,
        amount_sum: '99.9500',
        last_event_id: EVENT_EXAMPLE.event_id,
        first_timestamp: EVENT_FACTS.timestamp,
        last_timestamp: EVENT_FACTS.timestamp,
        updated_at: TIME_EXAMPLE,
        held: null,
        discarded: 0,
        events: [ORDER_EVENT_EXAMPLE],
        next: null,
      },
    ),
    404: detail(
      'No event of this order has been processed. Or orders are not kept: ORDERS_PROJECTION is off.',
      'Unknown: no event with this order_id has been processed yet.',
    ),
    422: fieldErrors('The id is not a UUID.', { ...BAD_ID, loc: ['path', 'order_id'] }),
  },
};

export const GET_ORDER_EVENTS: Operation = {
  summary: 'Lists the stored events of an order in log order',
  description: 'The list is empty if the order is unknown.',
  tags: ['orders'],
  parameters: [idInPath('order_id', 'The order.'), ...describeQuery(OF_ORDER_EVENTS, PAGING_TEXTS)],
  responses: {
    200: json('A page of events.', EVENTS_PAGE, { items: [ORDER_EVENT_EXAMPLE], next: null }),
    422: PARAMETERS_REFUSED,
  },
};

/** The report of a partition. */
export const REPORT = record({
  partition: COUNT,
  log_id: COUNT,
  position: { ...COUNT, description: 'The next offset to process.' },
  log_start: { ...nullable(COUNT), description: 'Null while no broker leads the partition.' },
  log_end: nullable(COUNT),
  lag: { ...nullable(COUNT), description: 'Offsets from the position to the end of the log.' },
  owner: { ...nullable(TEXT), description: 'The process that works on the partition.' },
  updated_at: TIME,
  state: {
    enum: ['fine', 'retrying', 'waiting', 'stopped', 'unreachable'],
    description: '`stopped`: an operator must decide. `retrying`: a batch fails and is repeated.',
  },
  code: { ...nullable(TEXT), description: 'The error code; null if nothing holds it up.' },
  trouble: nullable(TEXT),
  since: nullable(TIME),
  attempts: nullable(COUNT),
  reported_at: nullable(TIME),
});

export const REPORT_EXAMPLE = {
  partition: 3,
  log_id: 1,
  position: 42,
  log_start: 0,
  log_end: 42,
  lag: 0,
  owner: 'host:4711',
  updated_at: TIME_EXAMPLE,
  state: 'fine',
  code: null,
  trouble: null,
  since: null,
  attempts: null,
  reported_at: null,
};

export const GET_POSITIONS: Operation = {
  summary: 'Position, lag and state of each partition',
  tags: ['health'],
  responses: {
    200: json('All partitions.', record({ items: { type: 'array', items: REPORT } }), {
      items: [REPORT_EXAMPLE],
    }),
  },
};
