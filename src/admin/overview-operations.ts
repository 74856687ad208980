/** The descriptions of the overview and of activity over time. */
import { json, nullable, type Operation, record } from '../runtime/operation.ts';
import { PARAMETERS_REFUSED } from '../runtime/operation-errors.ts';
import { COUNT, COUNTED, COUNTED_EXAMPLE, TEXT, TIME, TIME_EXAMPLE } from './parts.ts';
import { describeQuery, oneOf, WORD, wholeNumber } from './query-string.ts';
import { REPORT, REPORT_EXAMPLE } from './status-operations.ts';

const NUMBER = { type: 'number', minimum: 0 } as const;
const LINK = {
  ...TEXT,
  description: 'The page of the console that shows it, with its filter.',
} as const;

const NEED = record({
  kind: {
    ...TEXT,
    description:
      'The cause, for programs: `database_unavailable`, `log_unavailable`, `partitions_stopped`, ' +
      '`partitions_retrying`, `partitions_still`, `dead_letters`, `orders_held`, `conflicts`, ' +
      '`proof_findings`, `proof_stale`, `outbox_old`, `processes_missing`, `handlers_differ`, ' +
      '`doctor_failures`, `doctor_warnings` or `redrive_troubled`. Later releases may add others.',
  },
  severity: {
    enum: ['act', 'look'],
    description: '`act`: somebody must act now. `look`: somebody should look, within a day.',
  },
  title: { ...TEXT, description: 'What is the matter, in one line.' },
  detail: { ...nullable(TEXT), description: 'More about it, such as the message of an error.' },
  count: { ...nullable(COUNT), description: 'How many partitions, dead letters and so on.' },
  since: { ...nullable(TIME), description: 'Null if it is not known.' },
  next: { ...TEXT, description: 'What to do next.' },
  command: { ...nullable(TEXT), description: 'A command that helps, to copy; null if none does.' },
  link: LINK,
});
const NEED_EXAMPLE = {
  kind: 'dead_letters',
  severity: 'look',
  title: '21 dead letters are parked: refused_by_handler',
  detail: 'User user-42 is blocked',
  count: 21,
  since: TIME_EXAMPLE,
  next: 'Correct the cause, then redrive them.',
  command: null,
  link: '/console/dead-letters?state=parked&reason=refused_by_handler',
};

const PROOF = {
  type: ['object', 'null'],
  description: 'The state of the continuous proof; null with PROOF=off in this consumer.',
  required: ['findings'],
  properties: {
    findings: {
      ...COUNT,
      description: 'Findings that nobody has acknowledged: contradictions in the tables.',
    },
    kinds: { type: 'array', items: TEXT },
    since: nullable(TIME),
    head_age_seconds: {
      type: ['number', 'null'],
      description: 'Since all events up to the positions were proven. Null if they never were.',
    },
    trouble: { ...nullable(TEXT), description: 'Why the proof does not advance.' },
  },
} as const;

/** What GET /overview answers, and the event `overview` of the stream. */
export const OVERVIEW = record({
  as_of: {
    ...TIME,
    description: 'When the values were read. It lags behind while PostgreSQL does not answer.',
  },
  verdict: {
    enum: ['fine', 'look', 'act'],
    description: 'The highest severity in `needs`; `fine` if it is empty.',
  },
  needs: {
    type: 'array',
    description: 'What needs somebody, the most urgent first. Causes are grouped.',
    items: NEED,
  },
  rates: record({
    arrived_per_second: {
      type: ['number', 'null'],
      description:
        'Records appended to the log per second, lately; null until it is known: it is measured ' +
        'while somebody looks.',
    },
    processed_per_second: {
      ...NUMBER,
      description: 'Records processed per second, over the last full minute.',
    },
  }),
  lag: record({
    records: { ...nullable(COUNT), description: 'Records to process; null if the log is away.' },
    still_seconds: {
      type: ['number', 'null'],
      description: 'For how long the partition that waits longest has not moved; null if none.',
    },
  }),
  partitions: { type: 'array', description: 'As GET /positions.', items: REPORT },
  dead_letters: {
    type: 'array',
    description: 'Counts by state and reason.',
    items: record({ state: TEXT, reason: TEXT, ...countedAs(), oldest: TIME }),
  },
  held_orders: COUNTED,
  conflicts_last_hour: COUNT,
  duplicates_last_hour: COUNT,
  outbox: record({ pending: COUNT, oldest_seconds: NUMBER }),
  proof: PROOF,
  doctor: {
    type: ['object', 'null'],
    description: 'The newest result of GET /doctor; null if it has not been asked for.',
    required: ['fit', 'failures', 'warnings', 'checked_at'],
    properties: { fit: { type: 'boolean' }, failures: COUNT, warnings: COUNT, checked_at: TIME },
  },
  processes: record({ running: COUNT, missing: COUNT }),
  redrives: { type: 'array', description: 'Ids of jobs that wait or run.', items: COUNT },
});

function countedAs() {
  const { count, is_capped, text } = (COUNTED as { properties: Record<string, object> }).properties;
  return { count: { ...count }, is_capped: { ...is_capped }, text: { ...text } };
}

export const OVERVIEW_EXAMPLE = {
  as_of: TIME_EXAMPLE,
  verdict: 'look',
  needs: [NEED_EXAMPLE],
  rates: { arrived_per_second: 1204, processed_per_second: 1198.5 },
  lag: { records: 257, still_seconds: 0 },
  partitions: [REPORT_EXAMPLE],
  dead_letters: [
    {
      state: 'parked',
      reason: 'refused_by_handler',
      count: 21,
      is_capped: false,
      text: '21',
      oldest: TIME_EXAMPLE,
    },
  ],
  held_orders: { ...COUNTED_EXAMPLE, count: 23, text: '23' },
  conflicts_last_hour: 0,
  duplicates_last_hour: 12,
  outbox: { pending: 0, oldest_seconds: 0 },
  proof: null,
  doctor: null,
  processes: { running: 2, missing: 0 },
  redrives: [],
};

export const GET_OVERVIEW: Operation = {
  summary: 'What needs you: causes, since when, and the next step',
  description:
    'The answer is at most a second old. It is 200 also while something is wrong; read `verdict`. ' +
    'While PostgreSQL does not answer, the last values are given, with their `as_of`.',
  tags: ['overview'],
  responses: { 200: json('The overview.', OVERVIEW, OVERVIEW_EXAMPLE) },
};

/** The longest span of GET /activity in minutes: 30 days, for which the table is kept. */
export const ACTIVITY_MINUTES_MAX = 30 * 24 * 60;
/** The parameters of GET /activity. */
export const OF_ACTIVITY = {
  minutes: wholeNumber(1, ACTIVITY_MINUTES_MAX),
  by: oneOf(['outcome', 'source', 'owner']),
  outcome: oneOf(['stored', 'duplicate', 'conflict', 'dead_letter']),
  source: WORD,
};

export const GET_ACTIVITY: Operation = {
  summary: 'Records over time, by outcome, source or process',
  description:
    'Consumers add their counts every 10 seconds, and the counts are kept for 30 days. A consumer that is ' +
    'killed loses its last seconds, so this is no proof. A step has as many minutes as are needed ' +
    'for at most 360 points.',
  tags: ['overview'],
  parameters: describeQuery(OF_ACTIVITY, {
    minutes: 'How far back. Default: 60.',
    by: 'What each series stands for. Default: outcome.',
    outcome: 'Only records with this outcome.',
    source: 'Only duplicates and conflicts of this source, or dead letters with this reason.',
  }),
  responses: {
    200: json(
      'The series.',
      record({
        from: { ...TIME, description: 'The beginning of the first step.' },
        step_minutes: { type: 'integer', minimum: 1 },
        steps: { type: 'integer', minimum: 1, maximum: 361 },
        as_of: TIME,
        series: {
          type: 'array',
          description: 'Those with the most records first.',
          items: record({
            name: { ...TEXT, description: 'The outcome, source or process.' },
            total: COUNT,
            points: {
              type: 'array',
              description: 'A number for each step, also where it is 0.',
              items: COUNT,
            },
          }),
        },
      }),
      {
        from: TIME_EXAMPLE,
        step_minutes: 1,
        steps: 3,
        as_of: TIME_EXAMPLE,
        series: [{ name: 'stored', total: 180, points: [60, 61, 59] }],
      },
    ),
    422: PARAMETERS_REFUSED,
  },
};
