/** Schemas, parameters and examples that several descriptions of the consumer's API share. */
import { EVENT_EXAMPLE } from '../event/event-schema.ts';
import type { ApiParameter, Schema } from '../runtime/operation.ts';
import { nullable, record } from '../runtime/operation.ts';
import { CURSOR, oneOf, PLACE, UUID, wholeNumber } from './query-string.ts';

export const ID = { type: 'string', format: 'uuid' } as const;
export const TEXT = { type: 'string' } as const;
export const COUNT = { type: 'integer', minimum: 0 } as const;
export const TIME = { type: 'string', format: 'date-time' } as const;
export const DIGEST = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const;
export const AMOUNT = {
  type: 'string',
  description: 'Exact, as decimal text. Below 0 only where a type of events may have such amounts.',
  pattern: '^-?[0-9]+\\.[0-9]{4}$',
} as const;
export const PLACE_TEXT: Schema & { type: string } = {
  type: 'string',
  description: 'The place of the record: log/partition/offset.',
  pattern: PLACE.schema.pattern,
};
export const SOURCE = nullable({
  type: 'string',
  description:
    'Why the record repeats an event id: `producer_retry`, `resent_same_process`, ' +
    '`resent_other_process`, `foreign_client`, `first_was_foreign` or `redrive`.',
});

/** A count that is not taken further than COUNTED_MAX. */
export const COUNTED = record({
  count: COUNT,
  is_capped: { type: 'boolean', description: 'Whether there are more; `count` is then the limit.' },
  text: { ...TEXT, description: 'For people, such as `10,248` or `100,000+`.' },
});
export const COUNTED_EXAMPLE = { count: 10_248, is_capped: false, text: '10,248' };

export const TIME_EXAMPLE = '2026-01-02T03:04:06.789012Z';
export const DIGEST_EXAMPLE = '5f2b8e0d6c1a4973b8f0e2d4c6a8091b3d5f7e9a1c3b5d7f90a2b4c6d8e0f123';
export const REQUEST_ID_EXAMPLE = '019f0a6b-3c5e-7000-8a3b-0d5f2c1b9e77';
/** How the answers show the place of a record. */
export const AT = { log_id: COUNT, partition: COUNT, offset: COUNT } as const;
export const AT_EXAMPLE = { log_id: 1, partition: 3, offset: 41 } as const;

/** The parameters that every list has. */
export const PAGING = { after: PLACE, limit: wholeNumber(1, 1000) };

/** How a list may be sorted. */
export const SORTS = ['newest', 'oldest', 'place'] as const;
/** The parameters of a list that can be sorted. */
export const SORTED = { sort: oneOf(SORTS), after: CURSOR, limit: PAGING.limit };
export const SORTED_TEXTS = {
  sort: 'By time, or by place in the log. Default: newest. It must be the same for all pages.',
} as const;

/** The parameters of paging, for describeQuery. */
export const PAGING_TEXTS = {
  after: 'The `next` of the previous page.',
  limit: 'The most items of the page. Default: 100.',
} as const;

/** A UUID in the path. */
export function idInPath(name: 'event_id' | 'order_id', description: string): ApiParameter {
  const example = EVENT_EXAMPLE[name];
  return { name, in: 'path', required: true, description, schema: UUID.schema, example };
}

/** The place of a record in the path. */
export const PLACE_IN_PATH: readonly ApiParameter[] = (
  [
    ['log_id', 9, 'The log: a topic has a new one after it was deleted and created again.', '1'],
    ['partition', 9, 'The partition of the record.', '3'],
    ['offset', 15, 'The offset of the record in its partition.', '41'],
  ] as const
).map(([name, digits, description, example]) => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string', pattern: `^[0-9]{1,${digits}}$` },
  example,
}));
