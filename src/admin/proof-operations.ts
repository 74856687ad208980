/** The descriptions of the routes of the continuous proof. */
import { json, nullable, type Operation, record } from '../runtime/operation.ts';
import { detail } from '../runtime/operation-errors.ts';
import { ACTOR, MAY_NOT, WHO } from './dead-letter-operations.ts';
import { COUNT, TEXT, TIME, TIME_EXAMPLE } from './parts.ts';

const SECONDS = { type: 'number', minimum: 0 } as const;
const FINDING = {
  id: COUNT,
  kind: { ...TEXT, description: 'Such as `hole` or `effect`; see docs/verify.md.' },
  subject: {
    ...TEXT,
    description: 'The id of an event, an order or a message; or log/partition/first-last.',
  },
  message: TEXT,
  found_at: TIME,
  seen_at: TIME,
  acknowledged_at: nullable(TIME),
  acknowledged_by: nullable(TEXT),
  reason: { ...nullable(TEXT), description: 'Why it was acknowledged.' },
};
const FINDING_EXAMPLE = {
  id: 7,
  kind: 'hole',
  subject: '1/3/41-41',
  message: 'offsets before the position have no outcome',
  found_at: TIME_EXAMPLE,
  seen_at: TIME_EXAMPLE,
  acknowledged_at: null,
  acknowledged_by: null,
  reason: null,
};

export const GET_PROOF: Operation = {
  summary: 'Shows how fresh the continuous proof is, and what it has found',
  tags: ['health'],
  responses: {
    200: json(
      'The state of the proof, which one of the consumers keeps up to date.',
      record({
        head_age_seconds: {
          ...nullable(SECONDS),
          description: 'Since all events up to the positions were proven. Null if they never were.',
        },
        full_age_seconds: {
          ...nullable(SECONDS),
          description:
            'Since the last complete round over all tables began. Null if none has ended.',
        },
        behind_records: { ...COUNT, description: 'Offsets that are processed and not yet proven.' },
        findings: {
          type: 'object',
          description: 'How many findings nobody has acknowledged, by kind.',
          additionalProperties: COUNT,
        },
        owner: { ...nullable(TEXT), description: 'The process that proves.' },
        trouble: { ...nullable(TEXT), description: 'Why the proof does not advance.' },
        patrol: { ...nullable(TEXT), description: 'What the round that is under way visits.' },
        round_started_at: nullable(TIME),
        items: {
          type: 'array',
          description:
            'The findings that have not vanished, unacknowledged ones first; at most 100.',
          items: record(FINDING),
        },
      }),
      {
        head_age_seconds: 4.2,
        full_age_seconds: 3600,
        behind_records: 120,
        findings: { hole: 1 },
        owner: 'consumer-1:7:3f2a1b',
        trouble: null,
        patrol: 'segments',
        round_started_at: TIME_EXAMPLE,
        items: [FINDING_EXAMPLE],
      },
    ),
  },
};

export const ACKNOWLEDGE: Operation = {
  summary: 'Acknowledges a finding: it no longer counts',
  description: `It stays in the list until it vanishes. If it comes back afterwards, it counts again. ${WHO}`,
  tags: ['health'],
  parameters: [
    {
      name: 'id',
      in: 'path',
      required: true,
      description: 'The number of the finding.',
      schema: { type: 'string', pattern: '^[0-9]{1,15}$' },
      example: '7',
    },
    ACTOR,
  ],
  requestBody: {
    description: 'Why the finding may stay; cut to 1000 characters.',
    required: true,
    content: {
      'application/json': {
        schema: record({ reason: { type: 'string', pattern: '\\S' } }),
        example: { reason: 'Deleted at the request of the customer' },
      },
    },
  },
  responses: {
    200: json('The finding.', record(FINDING), {
      ...FINDING_EXAMPLE,
      acknowledged_at: TIME_EXAMPLE,
      acknowledged_by: 'anna (http 127.0.0.1)',
      reason: 'Deleted at the request of the customer',
    }),
    403: MAY_NOT,
    404: detail('There is no such finding, or it has vanished.', 'There is no finding 7'),
    422: detail('The body has no reason.', 'The body must be {"reason": "why it may stay"}'),
  },
};
