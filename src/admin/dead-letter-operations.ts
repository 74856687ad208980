/** The descriptions of the routes that change dead letters. */
import { EVENT_EXAMPLE } from '../event/event-schema.ts';
import { type ApiParameter, json, nullable, type Operation, record } from '../runtime/operation.ts';
import { detail, ERROR, FIELD_ERRORS, fieldErrors } from '../runtime/operation-errors.ts';
import { BAD_PLACE } from './dead-letter-list-operations.ts';
import { PLACE_IN_PATH, PLACE_TEXT, TEXT } from './parts.ts';
import { describeQuery, oneOf, PLACE, UUID, WORD, wholeNumber } from './query-string.ts';

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

/** Who makes a change. */
export const ACTOR: ApiParameter = {
  name: 'Orderonce-Actor',
  in: 'header',
  description:
    'Who makes the change, for the audit: up to 100 letters, digits, spaces and `_.,@+-` or ' +
    'apostrophes, as UTF-8 or percent-encoded. Other characters become hyphens.',
  schema: TEXT,
  example: 'anna@example.org',
};
/** Who may make a change. */
export const WHO =
  'Without API keys, a change is accepted only from this machine, not through a proxy, and with ' +
  '`Content-Type: application/json`. With API keys it needs a key of role `admin`.';
/** How the redrive of one dead letter ended. */
export const RESULT = {
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
} as const;
const RESULTS = {
  type: 'array',
  description: 'One result for each dead letter that was tried, in this order.',
  items: RESULT,
};
/** The parameters of POST …/check. */
export const OF_CHECK = { try: oneOf(['true']) };
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
  parameters: readonly ApiParameter[] = [],
): Operation => ({
  summary,
  description: `${description} ${WHO}`,
  tags: ['dead letters'],
  parameters: [...PLACE_IN_PATH, ...parameters, ACTOR],
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

export const CHECK = action(
  {
    summary: 'Checks an edit without applying it',
    description:
      'Says whether the body is a valid event that may replace the payload of the record, and what it ' +
      'would change. With `try=true` it is also processed and rolled back.',
  },
  {
    requestBody: {
      description: 'The whole event, valid or not.',
      required: true,
      content: { 'application/json': { schema: {}, example: EVENT_EXAMPLE } },
    },
    responses: {
      200: json(
        'What is wrong with the edit, or what it changes.',
        record({
          ok: { type: 'boolean', description: 'Whether the edit would be accepted.' },
          errors: {
            type: 'array',
            description: 'What is wrong, as in a 422 answer; empty if it is accepted.',
            items: { $ref: '#/components/schemas/FieldError' },
          },
          changes: {
            type: 'array',
            description:
              'The fields that differ from the record. `before` is null if the record has no such value; ' +
              'it is cut to 200 characters.',
            items: record({ field: TEXT, before: {}, after: {} }),
          },
          tried: {
            anyOf: [RESULT, { type: 'null' }],
            description: 'How a redrive with this edit would end; null if it was not tried.',
          },
        }),
        {
          ok: true,
          errors: [],
          changes: [{ field: 'total_amount', before: '666.0000', after: '66.6000' }],
          tried: { place: '1/3/41', outcome: 'stored' },
        },
      ),
      404: detail('There is no dead letter at this place.', 'There is no such dead letter'),
      422: fieldErrors('The path is not a place, or a parameter is not valid.', BAD_PLACE),
    },
  },
  describeQuery(OF_CHECK, { try: 'Also process the edit, and roll it back.' }),
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
