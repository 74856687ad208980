/** The descriptions of the routes about the deployment itself: its processes and its fitness. */
import { json, nullable, type Operation, record } from '../runtime/operation.ts';
import { detail, PARAMETERS_REFUSED } from '../runtime/operation-errors.ts';
import { COUNT, TEXT, TIME, TIME_EXAMPLE } from './parts.ts';
import { describeQuery, oneOf } from './query-string.ts';

export const GET_PROCESSES: Operation = {
  summary: 'The consumers of this deployment, their versions and partitions',
  description:
    'Each consumer reports itself every 5 seconds. One that has not for 20 seconds is `missing`; its row ' +
    'is removed after 15 minutes. One that stops in order removes its row.',
  tags: ['health'],
  responses: {
    200: json(
      'The processes, the oldest first.',
      record({
        items: {
          type: 'array',
          items: record({
            owner: { ...TEXT, description: 'The name of the process, as in GET /positions.' },
            service: TEXT,
            version: { ...TEXT, description: 'The version of Orderonce.' },
            state: { enum: ['running', 'missing'] },
            is_this: { type: 'boolean', description: 'Whether this process answers now.' },
            handlers: record({
              names: { type: 'array', items: TEXT },
              digest: {
                ...nullable(TEXT),
                description:
                  'SHA-256 of the module and its settings. It should be the same for all.',
              },
            }),
            started_at: TIME,
            seen_at: { ...TIME, description: 'When it last reported.' },
            partitions: {
              type: 'array',
              items: {
                type: 'object',
                required: ['partition', 'next_offset', 'state', 'since'],
                properties: {
                  partition: COUNT,
                  next_offset: COUNT,
                  state: { enum: ['running', 'retrying', 'waiting', 'stopped'] },
                  since: TIME,
                  code: TEXT,
                  reason: TEXT,
                  attempts: COUNT,
                },
              },
            },
          }),
        },
      }),
      {
        items: [
          {
            owner: 'host:4711:9f2c1a',
            service: 'consumer',
            version: '0.1.0',
            state: 'running',
            is_this: true,
            handlers: { names: ['charge'], digest: '5f2b8e0d' },
            started_at: TIME_EXAMPLE,
            seen_at: TIME_EXAMPLE,
            partitions: [{ partition: 3, next_offset: 42, state: 'running', since: TIME_EXAMPLE }],
          },
        ],
      },
    ),
  },
};

/** The parameters of GET /doctor. */
export const OF_DOCTOR = { fresh: oneOf(['true']) };

export const GET_DOCTOR: Operation = {
  summary: 'Whether the deployment is fit, and how to correct what is not',
  description:
    'The checks of `orderonce doctor`, made by this process. A result is kept for a minute; ' +
    '`fresh=true` makes the checks again unless the last ones are less than 10 seconds old.',
  tags: ['health'],
  parameters: describeQuery(OF_DOCTOR, { fresh: 'Make the checks now.' }),
  responses: {
    200: json(
      'The findings.',
      record({
        fit: { type: 'boolean', description: 'Whether no check fails. Warnings do not count.' },
        checked_at: TIME,
        findings: {
          type: 'array',
          items: {
            type: 'object',
            required: ['area', 'check', 'verdict', 'found'],
            properties: {
              area: TEXT,
              check: TEXT,
              verdict: { enum: ['ok', 'warn', 'fail'] },
              found: { ...TEXT, description: 'What is the case.' },
              remedy: { ...TEXT, description: 'What to do; absent if the verdict is `ok`.' },
            },
          },
        },
      }),
      {
        fit: true,
        checked_at: TIME_EXAMPLE,
        findings: [{ area: 'postgresql', check: 'reachable', verdict: 'ok', found: 'answers' }],
      },
    ),
    422: PARAMETERS_REFUSED,
    503: detail(
      'This process cannot make the checks, or they take too long.',
      'The checks take longer than 20 s. Run "orderonce doctor" on the machine',
    ),
  },
};
