/** The descriptions of the routes that list and change dead letters. */
import { EVENT_EXAMPLE } from '../event/event-schema.ts';
import {
  type ApiParameter,
  json,
  nullable,
  type Operation,
  pageSchema,
  record,
} from '../runtime/operation.ts';
import {
  detail,
  ERROR,
  FIELD_ERRORS,
  fieldErrors,
  PARAMETERS_REFUSED,
} from '../runtime/operation-errors.ts';
import {
  AT,
  AT_EXAMPLE,
  COUNT,
  DIGEST,
  DIGEST_EXAMPLE,
  ID,
  PAGING,
  PAGING_TEXTS,
  PLACE_IN_PATH,
  PLACE_TEXT,
  TEXT,
  TIME,
  TIME_EXAMPLE,
} from './parts.ts';
import { describeQuery, oneOf, PLACE, UUID, WORD, wholeNumber } from './query-string.ts';

/** The parameters of GET /dead-letters. */
export const OF_LETTERS = {
  ...PAGING,
  event_id: UUID,
  order_id: UUID,
  reason: WORD,
  state: oneOf(['parked', 'waiting', 'discarded']),
};
/** A request that redrives many ends after this many results. Its answer says where to continue. */
export const RESULTS_MAX = 1000;
/** The parameters of POST /dead-letters/redrive. */
export const OF_MANY = {
  reason: WORD,
  order_id: UUID,
  after: PLACE,
  all: oneOf(['true']),
  limit: wholeNumber(1, RESULTS_MAX),
};

const STATE = { enum: ['parked', 'waiting', 'discarded'] };
const LETTER = {
  place: PLACE_TEXT,
  ...AT,
  event_id: { ...nullable(ID), description: 'Only a hint if the record is not a valid event.' },
  order_id: nullable(ID),
  state: STATE,
  reason: { ...TEXT, description: 'Such as `invalid_event` or `refused_by_handler`.' },
  sqlstate: nullable(TEXT),
  attempts: COUNT,
  detail: { description: 'What is wrong: a message, or a list of errors of fields.' },
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
  attempts: 1,
  detail: { message: 'User user-42 is blocked' },
  parked_at: TIME_EXAMPLE,
  updated_at: TIME_EXAMPLE,
};

export const LIST_LETTERS: Operation = {
  summary: 'Lists dead letters in log order',
  tags: ['dead letters'],
  parameters: describeQuery(OF_LETTERS, {
    ...PAGING_TEXTS,
    event_id: 'Only those with this event id.',
    order_id: 'Only those of this order whose record is a valid event.',
    reason: 'Only those with this reason.',
    state: 'Only those in this state.',
  }),
  responses: {
    200: json('A page of dead letters.', pageSchema(record(LETTER)), {
      items: [LETTER_EXAMPLE],
      next: null,
    }),
    422: PARAMETERS_REFUSED,
  },
};

export const GROUP_LETTERS: Operation = {
  summary: 'Counts dead letters by state, reason and SQLSTATE',
  tags: ['dead letters'],
  responses: {
    200: json(
      'The groups, the largest first.',
      record({
        items: {
          type: 'array',
          items: record({ state: STATE, reason: TEXT, sqlstate: nullable(TEXT), count: COUNT }),
        },
      }),
      { items: [{ state: 'parked', reason: 'refused_by_handler', sqlstate: null, count: 2 }] },
    ),
  },
};

const BASE64 = nullable({ type: 'string', contentEncoding: 'base64' });
const AUDIT = {
  type: 'array',
  description: 'What operators did to the dead letter, the oldest first.',
  items: record({
    at: TIME,
    actor: TEXT,
    action: { enum: ['redrive', 'discard', 'edit'] },
    outcome: TEXT,
    event_id: nullable(ID),
    detail: {},
    original_value_base64: BASE64,
    edited_payload: { type: ['object', 'null'] },
  }),
};
const BAD_PLACE = {
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
            key_base64: BASE64,
            value_base64: BASE64,
            value_text: {
              ...nullable(TEXT),
              description: 'For reading only: it may not be exact.',
            },
            headers_base64: {
              type: 'array',
              description: 'Name and value of each header.',
              items: { type: 'array', items: BASE64, minItems: 2, maxItems: 2 },
            },
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

export const ACTOR: ApiParameter = {
  name: 'Orderonce-Actor',
  in: 'header',
  description:
    'Who makes the change, for the audit: up to 100 letters, digits, spaces and `_.@-`. Another ' +
    'value is ignored.',
  schema: TEXT,
  example: 'anna@example.org',
};
export const WHO =
  'Without API keys, a change is accepted only from this machine, not through a proxy, and with ' +
  '`Content-Type: application/json`. With API keys it needs a key of role `admin`.';
const RESULTS = {
  type: 'array',
  description: 'One result for each dead letter that was tried, in this order.',
  items: {
    type: 'object',
    required: ['place', 'outcome'],
    properties: {
      place: PLACE_TEXT,
      outcome: {
        enum: ['stored', 'duplicate', 'conflict', 'failed', 'behind', 'gone', 'invalid'],
        description:
          '`stored`: it took effect. `failed`: refused again. `behind`: an earlier event of its order ' +
          'must be redriven first. `gone`: there is no such dead letter, or it is discarded. ' +
          '`invalid`: its bytes are not a valid event.',
      },
      message: { ...TEXT, description: 'Why it failed.' },
    },
  },
};
const RESULTS_EXAMPLE = [{ place: '1/3/41', outcome: 'stored' }];
export const MAY_NOT = detail(
  'The request may not make changes; `detail` says why.',
  'Changes need Content-Type: application/json',
);
/** Any JSON, because the body is ignored; but its type proves that no form of a page sent it. */
const NO_BODY = {
  description: 'Ignored. Send `{}`, because the Content-Type is needed.',
  required: false,
  content: { 'application/json': { schema: {}, example: {} } },
};
const refusedAs = (description: string, example: unknown) =>
  json(description, { anyOf: [ERROR, FIELD_ERRORS] }, { detail: example });

const action = (
  { summary, description }: Pick<Operation, 'summary'> & { description: string },
  rest: Pick<Operation, 'requestBody' | 'responses'>,
): Operation => ({
  summary,
  description: `${description} ${WHO}`,
  tags: ['dead letters'],
  parameters: [...PLACE_IN_PATH, ACTOR],
  ...rest,
  responses: {
    200: json('What was tried, and how it ended.', record({ results: RESULTS }), {
      results: RESULTS_EXAMPLE,
    }),
    403: MAY_NOT,
    422: fieldErrors('The path is not a place.', BAD_PLACE),
    ...rest.responses,
  },
});

export const REDRIVE = action(
  {
    summary: 'Processes a dead letter again, then the ones that wait behind it',
    description: 'A redrive takes effect once, however often it is requested.',
  },
  { requestBody: NO_BODY, responses: {} },
);

export const EDIT = action(
  {
    summary: 'Redrives a dead letter with the event in the body instead of its own payload',
    description: 'The ids of a valid event cannot be edited. The audit keeps both payloads.',
  },
  {
    requestBody: {
      description: 'The whole event.',
      required: true,
      content: {
        'application/json': {
          schema: { $ref: '#/components/schemas/Event' },
          example: EVENT_EXAMPLE,
        },
      },
    },
    responses: {
      422: refusedAs(
        'The path is not a place, the event is not valid, or it has other ids than the record.',
        `The ids of the record cannot be edited: event_id ${EVENT_EXAMPLE.event_id}`,
      ),
    },
  },
);

export const DISCARD = action(
  {
    summary: 'Discards a dead letter: it will never take effect',
    description: 'Its event id stays taken. The ones that wait behind it are processed.',
  },
  {
    requestBody: {
      description: 'Why, for the audit; cut to 1000 characters.',
      required: true,
      content: {
        'application/json': {
          schema: record({ reason: { type: 'string', pattern: '\\S' } }),
          example: { reason: 'A test event' },
        },
      },
    },
    responses: {
      404: detail('There is no dead letter at this place.', 'There is no such dead letter'),
      422: refusedAs(
        'The path is not a place, or the body has no reason.',
        'The body must be {"reason": "why you discard it"}',
      ),
    },
  },
);

export const REDRIVE_MANY: Operation = {
  summary: 'Redrives all parked dead letters that match',
  description:
    'Set at least one of `reason`, `order_id` and `all`. A request ends after about `limit` results. ' +
    `If \`next\` in the answer is not null, repeat the request with \`after\` set to it. ${WHO}`,
  tags: ['dead letters'],
  parameters: [
    ...describeQuery(OF_MANY, {
      reason: 'Only those with this reason.',
      order_id: 'Only those of this order.',
      after: 'The `next` of the previous answer.',
      all: 'All of them.',
      limit: `Results after which the request ends. Default: ${RESULTS_MAX}.`,
    }),
    ACTOR,
  ],
  requestBody: NO_BODY,
  responses: {
    200: json(
      'What was tried, and how it ended.',
      record({
        results: RESULTS,
        next: { ...nullable(PLACE_TEXT), description: 'Null if nothing is left.' },
      }),
      { results: RESULTS_EXAMPLE, next: null },
    ),
    403: MAY_NOT,
    422: refusedAs(
      'A parameter is not valid, or none of `reason`, `order_id` and `all` is set.',
      'Set one of ?reason=, ?order_id= and ?all=true',
    ),
  },
};
