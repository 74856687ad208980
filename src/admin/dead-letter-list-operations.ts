/** The descriptions of the routes that list and show dead letters. */
import { EVENT_EXAMPLE } from '../event/event-schema.ts';
import {
  type ApiParameter,
  json,
  nullable,
  type Operation,
  PAYLOAD_MARK,
  pageSchema,
  payload,
  record,
} from '../runtime/operation.ts';
import { detail, fieldErrors, PARAMETERS_REFUSED } from '../runtime/operation-errors.ts';
import {
  AT,
  AT_EXAMPLE,
  COUNT,
  COUNTED,
  COUNTED_EXAMPLE,
  DIGEST,
  DIGEST_EXAMPLE,
  ID,
  PAGING_TEXTS,
  PLACE_IN_PATH,
  PLACE_TEXT,
  SORTED,
  SORTED_TEXTS,
  TEXT,
  TIME,
  TIME_EXAMPLE,
} from './parts.ts';
import { describeQuery, oneOf, text, UUID, WORD } from './query-string.ts';

/** The parameters that choose dead letters. */
export const OF_CHOICE = {
  event_id: UUID,
  order_id: UUID,
  reason: WORD,
  sqlstate: WORD,
  shape: text(1000),
  state: oneOf(['parked', 'waiting', 'discarded']),
  q: text(200),
};
/** The parameters of GET /dead-letters. */
export const OF_LETTERS = { ...SORTED, total: oneOf(['true']), ...OF_CHOICE };

const SHAPE = payload({
  ...TEXT,
  description:
    'The message without ids, numbers and quoted values: dead letters of one cause have the same. ' +
    'Empty if there is no message.',
});
const STATE = { enum: ['parked', 'waiting', 'discarded'] };
const LETTER = {
  place: PLACE_TEXT,
  ...AT,
  event_id: { ...nullable(ID), description: 'Only a hint if the record is not a valid event.' },
  order_id: nullable(ID),
  state: STATE,
  reason: { ...TEXT, description: 'Such as `invalid_event` or `refused_by_handler`.' },
  sqlstate: nullable(TEXT),
  shape: SHAPE,
  attempts: COUNT,
  detail: payload({ description: 'What is wrong: a message, or a list of errors of fields.' }),
  parked_at: TIME,
  updated_at: TIME,
};
const LETTER_EXAMPLE = {
  place: '1/3/41',
  ...AT_EXAMPLE,
  event_id: EVENT_EXAMPLE.event_id,
  order_id: EVENT_EXAMPLE.order_id,
  state: 'parked',
  reason: 'refused_by_handler',
  sqlstate: null,
  shape: 'User user-# is blocked',
  attempts: 1,
  detail: { message: 'User user-42 is blocked' },
  parked_at: TIME_EXAMPLE,
  updated_at: TIME_EXAMPLE,
};

/** What these find is part of the messages of dead letters. */
const IN_PAYLOADS = ['q', 'shape'];
const markSearch = (one: ApiParameter): ApiParameter =>
  IN_PAYLOADS.includes(one.name) ? { ...one, [PAYLOAD_MARK]: true } : one;

export const LIST_LETTERS: Operation = {
  summary: 'Lists dead letters, the newest first',
  tags: ['dead letters'],
  parameters: describeQuery(OF_LETTERS, {
    ...PAGING_TEXTS,
    ...SORTED_TEXTS,
    total: 'Also count all that match.',
    event_id: 'Only those with this event id.',
    order_id: 'Only those of this order whose record is a valid event.',
    reason: 'Only those with this reason.',
    sqlstate: 'Only those with this SQLSTATE; `none`: without one.',
    shape: 'Only those with this message shape; see GET /dead-letters/groups.',
    state: 'Only those in this state.',
    q:
      'Only those that contain this text, in any case, in their ids, reason, SQLSTATE or detail. Searched ' +
      'are the newest 100,000 that match the other filters.',
  }).map(markSearch),
  responses: {
    200: json(
      'A page of dead letters.',
      record({
        ...(pageSchema(record(LETTER)).properties as Record<string, object>),
        total: {
          anyOf: [COUNTED, { type: 'null' }],
          description: 'Null unless it is asked for.',
        },
      }),
      { items: [LETTER_EXAMPLE], next: null, total: COUNTED_EXAMPLE },
    ),
    422: PARAMETERS_REFUSED,
  },
};

export const GROUP_LETTERS: Operation = {
  summary: 'Counts dead letters by state, reason, SQLSTATE and message shape',
  tags: ['dead letters'],
  responses: {
    200: json(
      'The groups, the largest first; at most 200.',
      record({
        items: {
          type: 'array',
          items: record({
            state: STATE,
            reason: TEXT,
            sqlstate: nullable(TEXT),
            shape: SHAPE,
            count: COUNT,
            oldest: { ...TIME, description: 'When the first of them was parked.' },
            newest: TIME,
            example: { ...PLACE_TEXT, description: 'The place of one of them.' },
          }),
        },
        is_capped: {
          type: 'boolean',
          description: 'Whether only the newest 100,000 dead letters were counted.',
        },
      }),
      {
        items: [
          {
            state: 'parked',
            reason: 'refused_by_handler',
            sqlstate: null,
            shape: 'User user-# is blocked',
            count: 2,
            oldest: TIME_EXAMPLE,
            newest: TIME_EXAMPLE,
            example: '1/3/41',
          },
        ],
        is_capped: false,
      },
    ),
  },
};

const BASE64 = nullable({ type: 'string', contentEncoding: 'base64' });
const BYTES = payload(BASE64);
const AUDIT = {
  type: 'array',
  description:
    'What operators did to the dead letter, the oldest first; the newest 100 actions at most.',
  items: record({
    at: TIME,
    actor: TEXT,
    action: { enum: ['redrive', 'discard', 'edit'] },
    outcome: TEXT,
    event_id: nullable(ID),
    detail: payload({}),
    original_value_base64: BYTES,
    edited_payload: payload({ type: 'object' }),
  }),
};
/** The error of a path that is not a place. */
export const BAD_PLACE = {
  type: 'place_parsing',
  loc: ['path'],
  msg: 'Input should be a place: log/partition/offset',
  input: '1/3/x',
};

export const SHOW_LETTER: Operation = {
  summary: 'Shows a dead letter with its bytes and audit',
  tags: ['dead letters'],
  parameters: PLACE_IN_PATH,
  responses: {
    200: json(
      'The dead letter. If it is gone because a redrive has stored it, only its audit is left.',
      {
        oneOf: [
          record({
            ...LETTER,
            digest: {
              ...nullable(DIGEST),
              description: 'Null if the record is not a valid event.',
            },
            appended_at: nullable(TIME),
            key_base64: BYTES,
            value_base64: BYTES,
            value_text: payload({
              ...TEXT,
              description: 'For reading only: it may not be exact.',
            }),
            headers_base64: payload({
              type: 'array',
              description: 'Name and value of each header.',
              items: { type: 'array', items: BASE64, minItems: 2, maxItems: 2 },
            }),
            audit: AUDIT,
          }),
          record({ place: PLACE_TEXT, state: { const: 'gone' }, audit: AUDIT }),
        ],
      },
      {
        ...LETTER_EXAMPLE,
        digest: DIGEST_EXAMPLE,
        appended_at: TIME_EXAMPLE,
        key_base64: null,
        value_base64: 'e30=',
        value_text: '{}',
        headers_base64: [],
        audit: [],
      },
    ),
    404: detail(
      'There is no dead letter at this place, and there never was one.',
      'There is no dead letter at this place, and there never was one',
    ),
    422: fieldErrors('The path is not a place.', BAD_PLACE),
  },
};
