/** What GET /health of the consumer tells besides its verdict. */
import { EVENT_TYPES, type FactsDescription } from '../runtime/health.ts';

const PARTITION = {
  type: 'object',
  required: ['partition', 'next_offset', 'state', 'since'],
  properties: {
    partition: { type: 'integer' },
    next_offset: { type: 'integer' },
    state: { enum: ['running', 'retrying', 'waiting', 'stopped'] },
    since: { type: 'string', description: 'When it entered this state.' },
    code: { type: 'string', description: 'Why it does not run; absent while it runs.' },
    reason: { type: 'string', description: 'The same in words.' },
    attempts: { type: 'integer', description: 'Failed attempts since its position last moved.' },
    oldest_at: {
      type: 'string',
      description:
        'When the first record that waits was appended; absent if none is known to wait.',
    },
  },
};
/** Their descriptions, for the API's documentation. */
export const HEALTH_FACTS: FactsDescription = {
  schemas: {
    service: { const: 'consumer' },
    topic: { type: 'string' },
    deployment: {
      type: ['string', 'null'],
      description: 'The id of the database; null until it has been read.',
    },
    event_types: EVENT_TYPES,
    partitions: {
      type: 'array',
      description: 'The partitions that this process works on.',
      items: PARTITION,
    },
    warnings: { type: 'array', items: { type: 'string' }, description: 'What to correct.' },
  },
  example: {
    service: 'consumer',
    topic: 'order_events',
    deployment: '0f9c2b64-1d3e-4a5f-8b7c-6d5e4f3a2b10',
    event_types: [],
    partitions: [
      { partition: 3, next_offset: 42, state: 'running', since: '2026-01-02T03:04:06.789Z' },
    ],
    warnings: [],
  },
};
