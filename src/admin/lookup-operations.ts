/** The descriptions of search and of the history of an event. */
import { EVENT_EXAMPLE } from '../event/event-schema.ts';
import { json, nullable, type Operation, payload, record } from '../runtime/operation.ts';
import { detail, fieldErrors } from '../runtime/operation-errors.ts';
import { ID, idInPath, PLACE_TEXT, TEXT, TIME, TIME_EXAMPLE } from './parts.ts';
import { describeQuery, text } from './query-string.ts';

/** The parameters of GET /find. */
export const OF_FIND = { q: text(200) };

export const FIND: Operation = {
  summary: 'Finds what an id or a place belongs to',
  description:
    '`q` may be the id of an event, an order, a request or an outbox message, or the place of a record: ' +
    '`log/partition/offset` as answers show it, `topic/partition/offset`, or `partition/offset`. The ' +
    'list is empty if nothing is found; `hint` then says what that can mean.',
  tags: ['overview'],
  parameters: describeQuery(OF_FIND, { q: 'What to find. It is required.' }).map((one) => ({
    ...one,
    required: true,
  })),
  responses: {
    200: json(
      'Everything with this id or at this place.',
      record({
        q: TEXT,
        items: {
          type: 'array',
          items: record({
            kind: { enum: ['event', 'order', 'dead_letter', 'duplicate', 'conflict', 'message'] },
            id: { ...TEXT, description: 'The id; for records without one, their place.' },
            state: {
              ...nullable(TEXT),
              description: 'Such as `stored`, `parked` or `held`; null if it has none.',
            },
            text: { ...TEXT, description: 'One line about it, for people.' },
            api: { ...TEXT, description: 'The path of this API that shows it.' },
            link: { ...TEXT, description: 'The page of the console that shows it.' },
          }),
        },
        hint: { ...nullable(TEXT), description: 'Null if something was found.' },
      }),
      {
        q: EVENT_EXAMPLE.event_id,
        items: [
          {
            kind: 'event',
            id: EVENT_EXAMPLE.event_id,
            state: 'stored',
            text: `Event of order ${EVENT_EXAMPLE.order_id}`,
            api: `/events/${EVENT_EXAMPLE.event_id}/history`,
            link: `/console/events/${EVENT_EXAMPLE.event_id}`,
          },
        ],
        hint: null,
      },
    ),
    422: fieldErrors('`q` is missing, too long, or neither an id nor a place.', {
      type: 'missing',
      loc: ['query', 'q'],
      msg: 'Field required',
      input: null,
    }),
  },
};

export const GET_HISTORY: Operation = {
  summary: 'What happened to an event, in order',
  description:
    'From the request that brought it to what became of it. Times are those of different clocks: ' +
    '`requested` is the clock of the producer, `appended` that of the log, the others that of PostgreSQL.',
  tags: ['events'],
  parameters: [idInPath('event_id', 'The event.')],
  responses: {
    200: json(
      'The history, the oldest first. Entries without a time are where they belong.',
      record({
        event_id: ID,
        order_id: nullable(ID),
        status: { enum: ['stored', 'parked', 'waiting', 'discarded', 'unknown'] },
        held_behind: {
          ...nullable(PLACE_TEXT),
          description: 'If it waits: the dead letter that must be redriven first.',
        },
        is_complete: {
          type: 'boolean',
          description: 'False if it has more than 200 duplicates, conflicts or messages.',
        },
        entries: {
          type: 'array',
          items: record({
            what: {
              enum: [
                ...['requested', 'appended', 'stored', 'parked', 'waiting', 'discarded'],
                ...['duplicate', 'conflict', 'redrive', 'edit', 'discard', 'emitted', 'published'],
              ],
              description:
                '`redrive`, `edit` and `discard` are what operators did. `emitted` and `published` are ' +
                'messages of handlers.',
            },
            at: { ...nullable(TIME), description: 'Null if it is not known.' },
            place: { ...nullable(PLACE_TEXT), description: 'Of the record, if it is about one.' },
            text: { ...TEXT, description: 'One line about it, for people.' },
            detail: payload({
              type: 'object',
              description: 'What is known besides, such as `message`; depends on `what`.',
            }),
          }),
        },
      }),
      {
        event_id: EVENT_EXAMPLE.event_id,
        order_id: EVENT_EXAMPLE.order_id,
        status: 'stored',
        held_behind: null,
        is_complete: true,
        entries: [
          {
            what: 'stored',
            at: TIME_EXAMPLE,
            place: '1/3/41',
            text: 'It took effect',
            detail: { topic: 'order_events' },
          },
        ],
      },
    ),
    404: detail(
      'No event with this id has been processed. It may still be in the log.',
      'Unknown: no event with this event_id has been processed.',
    ),
    422: fieldErrors('The id is not a UUID.', {
      type: 'uuid_parsing',
      loc: ['path', 'event_id'],
      msg: 'Input should be a valid UUID',
      input: 'x',
    }),
  },
};
