/** The description of the stream of live updates. */
import type { Operation } from '../runtime/operation.ts';
import { detail, PARAMETERS_REFUSED, RETRY_AFTER } from '../runtime/operation-errors.ts';
import { TEXT } from './parts.ts';
import { describeQuery, oneOf, wholeNumber } from './query-string.ts';

/** The parameters of GET /stream. */
export const OF_STREAM = {
  only: oneOf(['overview', 'outcome', 'redrive']),
  seconds: wholeNumber(1, 86_400),
};

/** One event: OpenAPI before 3.2 has no other place for the items of a stream. */
const EVENT = {
  type: 'object',
  description: 'One event of the stream. `data` is JSON.',
  properties: {
    event: { type: 'string', enum: ['overview', 'outcome', 'redrive'] },
    id: { type: 'string', pattern: '^[0-9]+$' },
    data: { type: 'string', contentMediaType: 'application/json' },
  },
  required: ['event', 'id', 'data'],
};

export const GET_STREAM: Operation = {
  summary: 'Live updates as server-sent events',
  description:
    'Try `curl -N`. Events: `overview`, as GET /overview, at most once a second, when it has changed; ' +
    '`outcome`, a new dead letter, conflict or duplicate, at most 20 a second (`skipped`: how many more were read; there may be others); ' +
    '`redrive`, a job of GET /redrives that has changed. Events of all processes of the deployment are ' +
    'sent, about a second after they happened. The `id` of an event, sent back as `Last-Event-ID`, resumes behind ' +
    'it: outcomes that were missed are sent, those of the last 5 minutes at most, and the last ones may ' +
    'come twice. A comment is sent every 15 seconds. ' +
    'The stream ends when the process stops; connect again then.',
  tags: ['overview'],
  parameters: [
    ...describeQuery(OF_STREAM, {
      only: 'Only events of this kind.',
      seconds: 'End the stream after this time. Default: it does not end.',
    }),
    {
      name: 'Last-Event-ID',
      in: 'header',
      description: 'The last `id` that was received. Another value is ignored.',
      schema: TEXT,
      example: '1767323046789',
    },
  ],
  responses: {
    200: {
      description: 'The stream.',
      content: {
        'text/event-stream': {
          schema: EVENT,
          example: 'event: overview\nid: 1767323046789\ndata: {"verdict":"fine"}\n\n',
        },
      },
    },
    422: PARAMETERS_REFUSED,
    503: detail(
      'This process has 100 streams already, or it is stopping.',
      'This process has 100 streams already. Close one, or ask another consumer',
      { 'Retry-After': RETRY_AFTER },
    ),
  },
};
