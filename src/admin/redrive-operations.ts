/** The descriptions of the routes about redrive jobs. */
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
import { ACTOR, MAY_NOT, RESULT, WHO } from './dead-letter-operations.ts';
import { COUNT, ID, PLACE_TEXT, TEXT, TIME, TIME_EXAMPLE } from './parts.ts';
import { describeQuery, oneOf, wholeNumber } from './query-string.ts';

/** A bulk of more than these needs the exact count and a reason in its request. */
export const UNCOUNTED_MAX = 100;
/** The most places of one request. */
export const PLACES_MAX = 1000;
/** How many dead letters a plan tries and rolls back. */
export const TRIED_MAX = 20;
/** The most dead letters a second. */
export const PER_SECOND_MAX = 1000;
/** The longest text of a filter, and of a reason. */
export const CHARS_MAX = 1000;

const JOB_STATES = ['waiting', 'running', 'stopping', 'done', 'stopped'] as const;
/** The parameters of GET /redrives. */
export const OF_JOBS = {
  state: oneOf(JOB_STATES),
  after: wholeNumber(1, 999_999_999),
  limit: wholeNumber(1, 1000),
};

/** Without control characters. */
const NO_CONTROLS = '^[^\\x00-\\x1f\\x7f-\\x9f]*$';
const FILTER = {
  type: 'object',
  description:
    'Which parked dead letters; an empty object means all. The fields are those of GET /dead-letters.',
  additionalProperties: false,
  properties: {
    reason: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,100}$' },
    sqlstate: {
      type: 'string',
      pattern: '^[A-Za-z0-9_.-]{1,100}$',
      description: '`none`: those without one.',
    },
    shape: { type: 'string', maxLength: CHARS_MAX, pattern: NO_CONTROLS },
    order_id: ID,
    q: { type: 'string', minLength: 1, maxLength: 200, pattern: NO_CONTROLS },
  },
} as const;
const ACTION = {
  enum: ['redrive', 'discard'],
  description: '`redrive` processes them again; `discard` gives them up for good.',
} as const;
const PER_SECOND = { type: 'integer', minimum: 1, maximum: PER_SECOND_MAX } as const;

const OUTCOMES = {
  type: 'object',
  description:
    'How many ended how, by outcome: those of a redrive, and `discarded`. It includes the ones that ' +
    'waited behind a dead letter of the job and followed it. `changed`: the job did not try them, ' +
    'because another redrive, an edit or a discard changed them after it was created.',
  additionalProperties: COUNT,
} as const;

const JOB = record({
  redrive_id: { type: 'integer', minimum: 1 },
  action: ACTION,
  state: {
    enum: JOB_STATES,
    description:
      '`waiting`: no consumer has begun it. `running`: a consumer carries it out, or will continue ' +
      'it within 15 seconds after its consumer was killed. `stopping`: it ends after the dead letter under way.',
  },
  filter: { ...FILTER, type: ['object', 'null'], description: 'Null if places were given.' },
  places: { type: ['integer', 'null'], description: 'How many places were given.' },
  total: { ...COUNT, description: 'How many dead letters it is to try.' },
  tried: { ...COUNT, description: 'How many of these it has tried.' },
  outcomes: OUTCOMES,
  per_second: { ...nullable(PER_SECOND), description: 'Null: as fast as it can.' },
  asked_by: { ...TEXT, description: 'Who asked; it is also in the audit of each dead letter.' },
  reason: nullable(TEXT),
  owner: { ...nullable(TEXT), description: 'The consumer that carries it out.' },
  trouble: {
    ...nullable(TEXT),
    description: 'Why it makes no progress now, such as an outage. It is tried again.',
  },
  stopped_by: nullable(TEXT),
  created_at: TIME,
  started_at: nullable(TIME),
  updated_at: TIME,
  finished_at: nullable(TIME),
  seconds_left: {
    type: ['number', 'null'],
    description: 'At its speed so far; null if it does not run.',
  },
});
const JOB_EXAMPLE = {
  redrive_id: 7,
  action: 'redrive',
  state: 'running',
  filter: { reason: 'refused_by_handler' },
  places: null,
  total: 10_248,
  tried: 512,
  outcomes: { stored: 510, failed: 2 },
  per_second: 50,
  asked_by: 'anna (http 127.0.0.1)',
  reason: 'The charge service is back',
  owner: 'host:4711:9f2c1a',
  trouble: null,
  stopped_by: null,
  created_at: TIME_EXAMPLE,
  started_at: TIME_EXAMPLE,
  updated_at: TIME_EXAMPLE,
  finished_at: null,
  seconds_left: 194.7,
};
/** What GET /redrives/{id} answers, and the event `redrive` of the stream. */
export const JOB_SCHEMA = JOB;

const ID_IN_PATH: ApiParameter = {
  name: 'redrive_id',
  in: 'path',
  required: true,
  description: 'The number of the job.',
  schema: { type: 'string', pattern: '^[1-9][0-9]{0,8}$' },
  example: '7',
};
const BAD_ID = {
  type: 'int_parsing',
  loc: ['path', 'redrive_id'],
  msg: 'Input should be the number of a job',
  input: 'x',
};
const NO_JOB = detail('There is no such job.', 'There is no redrive job 7');

export const LIST_JOBS: Operation = {
  summary: 'Lists redrive jobs, the newest first',
  tags: ['redrives'],
  parameters: describeQuery(OF_JOBS, {
    state: 'Only those in this state.',
    after: 'The `next` of the previous page.',
    limit: 'The most items of the page. Default: 100.',
  }),
  responses: {
    200: json('A page of jobs.', pageSchema(JOB), { items: [JOB_EXAMPLE], next: null }),
    422: PARAMETERS_REFUSED,
  },
};

export const GET_JOB: Operation = {
  summary: 'The progress of a redrive job',
  tags: ['redrives'],
  parameters: [ID_IN_PATH],
  responses: {
    200: json('The job.', JOB, JOB_EXAMPLE),
    404: NO_JOB,
    422: fieldErrors('The path holds no number of a job.', BAD_ID),
  },
};

export const STOP_JOB: Operation = {
  summary: 'Stops a redrive job after the dead letter under way',
  description: `What it has done stays done. Stopping a job that has ended changes nothing. ${WHO}`,
  tags: ['redrives'],
  parameters: [ID_IN_PATH, ACTOR],
  requestBody: {
    description: 'Ignored. Send `{}`, because the Content-Type is needed.',
    required: false,
    content: { 'application/json': { schema: {}, example: {} } },
  },
  responses: {
    200: json('The job, which is `stopping` or has ended.', JOB, JOB_EXAMPLE),
    403: MAY_NOT,
    404: NO_JOB,
    422: fieldErrors('The path holds no number of a job.', BAD_ID),
  },
};

const PLAN = record({
  action: ACTION,
  count: { ...COUNT, description: 'How many dead letters match now. Give it as `count`.' },
  total: {
    ...COUNT,
    description: 'How many the job would try: `count`, or `first` if it is less.',
  },
  tried: {
    type: 'array',
    description:
      `What a redrive of the first ones would do: up to ${TRIED_MAX}, and as many as take 5 seconds. ` +
      'Each was tried alone and rolled back. Empty for `discard`.',
    items: RESULT,
  },
  outcomes: OUTCOMES,
  needs: {
    type: 'array',
    description: 'The fields that the request needs besides before the job is accepted.',
    items: { enum: ['count', 'reason'] },
  },
});

export const CREATE_JOB: Operation = {
  summary: 'Plans or starts a job that redrives or discards many dead letters',
  description:
    'With `dry_run`, nothing is changed and the answer is a plan. Without, a consumer of the deployment ' +
    'carries the job out with its handlers; it survives a restart. Only parked dead letters that are ' +
    'parked when the job is created are tried, each once, in log order, with those that wait behind ' +
    `them. More than ${UNCOUNTED_MAX} need \`count\`, the exact number, and \`reason\`; \`discard\` always needs ` +
    `\`reason\`. ${WHO}`,
  tags: ['redrives'],
  parameters: [ACTOR],
  requestBody: {
    description: 'Which, how, and why. One of `filter` and `places` is required.',
    required: true,
    content: {
      'application/json': {
        schema: {
          type: 'object',
          additionalProperties: false,
          oneOf: [{ required: ['filter'] }, { required: ['places'] }],
          properties: {
            action: { ...ACTION, description: 'Default: redrive.' },
            filter: FILTER,
            places: { type: 'array', minItems: 1, maxItems: PLACES_MAX, items: PLACE_TEXT },
            dry_run: { type: 'boolean', description: 'Default: false.' },
            count: {
              ...COUNT,
              description:
                'How many dead letters match, as the plan says. Another number is refused.',
            },
            reason: {
              type: 'string',
              pattern: '\\S',
              maxLength: CHARS_MAX,
              description: 'Why, for the audit.',
            },
            per_second: { ...PER_SECOND, description: 'Default: as fast as it can.' },
            first: {
              type: 'integer',
              minimum: 1,
              maximum: 999_999_999,
              description: 'Only the first ones, in log order. Default: all.',
            },
          },
        },
        example: {
          filter: { reason: 'refused_by_handler' },
          dry_run: true,
          per_second: 50,
        },
      },
    },
  },
  responses: {
    200: json('The plan of a dry run.', PLAN, {
      action: 'redrive',
      count: 10_248,
      total: 10_248,
      tried: [{ place: '1/3/41', outcome: 'stored' }],
      outcomes: { stored: 1 },
      needs: ['count', 'reason'],
    }),
    202: json('The job, which waits for a consumer.', JOB, {
      ...JOB_EXAMPLE,
      state: 'waiting',
      tried: 0,
      outcomes: {},
      owner: null,
      started_at: null,
      seconds_left: null,
    }),
    403: MAY_NOT,
    409: detail(
      'Another number of dead letters matches than `count` says, or 100 jobs wait already.',
      '10248 dead letters match, but "count" says 100. Look at the plan again',
    ),
    422: json(
      'The body is not valid, or `count` or `reason` is needed and missing.',
      { anyOf: [ERROR, FIELD_ERRORS] },
      {
        detail: [{ type: 'missing', loc: ['body', 'reason'], msg: 'Field required', input: null }],
      },
    ),
  },
};
