/** The descriptions of the routes that list duplicates and conflicts. */
import { EVENT_EXAMPLE } from '../event/event-schema.ts';
import {
  json,
  nullable,
  type Operation,
  pageSchema,
  payload,
  record,
  type Schema,
} from '../runtime/operation.ts';
import { PARAMETERS_REFUSED } from '../runtime/operation-errors.ts';
import {
  AT,
  AT_EXAMPLE,
  COUNT,
  DIGEST,
  DIGEST_EXAMPLE,
  ID,
  PAGING_TEXTS,
  PLACE_TEXT,
  REQUEST_ID_EXAMPLE,
  SORTED,
  SORTED_TEXTS,
  SOURCE,
  TEXT,
  TIME,
  TIME_EXAMPLE,
} from './parts.ts';
import { describeQuery, UUID, WORD } from './query-string.ts';

/** The parameters of GET /duplicates and GET /conflicts. */
export const OF_LEDGER = { ...SORTED, event_id: UUID, source: WORD };

const LEDGER = {
  place: PLACE_TEXT,
  ...AT,
  event_id: ID,
  request_id: nullable(ID),
  source: SOURCE,
  after_ms: {
    type: ['integer', 'null'],
    description: 'Milliseconds from the first record to this one; null if unknown.',
  },
  first_log_id: nullable(COUNT),
  first_log_partition: nullable(COUNT),
  first_log_offset: nullable(COUNT),
  seen_at: TIME,
};
const LEDGER_EXAMPLE = {
  place: '1/3/42',
  ...AT_EXAMPLE,
  offset: 42,
  event_id: EVENT_EXAMPLE.event_id,
  request_id: REQUEST_ID_EXAMPLE,
  source: 'resent_same_process',
  after_ms: 1200,
  first_log_id: 1,
  first_log_partition: 3,
  first_log_offset: 41,
  seen_at: TIME_EXAMPLE,
};

const listOf = (
  summary: string,
  item: Readonly<Record<string, Schema>>,
  example: object,
): Operation => ({
  summary,
  tags: ['ledgers'],
  parameters: describeQuery(OF_LEDGER, {
    ...PAGING_TEXTS,
    ...SORTED_TEXTS,
    event_id: 'Only those with this event id.',
    source:
      'Only those of this source. Searched are about 100,000 rows, from where the page begins.',
  }),
  responses: {
    200: json('A page of records.', pageSchema(record(item)), {
      items: [example],
      next: null,
    }),
    422: PARAMETERS_REFUSED,
  },
});

export const LIST_DUPLICATES = listOf(
  'Lists records that repeat a stored event, the newest first',
  LEDGER,
  LEDGER_EXAMPLE,
);
const PAYLOAD_EXAMPLE = { ...EVENT_EXAMPLE, total_amount: '99.9500' };
export const LIST_CONFLICTS = listOf(
  'Lists records whose event_id was already taken by another payload, the newest first',
  {
    ...LEDGER,
    payload: payload({ type: 'object', description: 'Of this record, which never takes effect.' }),
    digest: DIGEST,
    first_payload: payload({
      type: 'object',
      description:
        'Of the record that came first. `{"text": …}` if that is no event in JSON that the database could hold.',
    }),
    first_digest: DIGEST,
    differs: payload({
      type: 'array',
      description:
        'The fields whose values differ, with the value of the first record and of this one.',
      items: record({ field: TEXT, first: {}, this: {} }),
    }),
    first_stored_at: { ...nullable(TIME), description: 'Null if the first one is not stored.' },
  },
  {
    ...LEDGER_EXAMPLE,
    payload: { ...PAYLOAD_EXAMPLE, total_amount: '1.0000' },
    digest: DIGEST_EXAMPLE.replace('5f2b', 'ab90'),
    first_payload: PAYLOAD_EXAMPLE,
    first_digest: DIGEST_EXAMPLE,
    differs: [{ field: 'total_amount', first: '99.9500', this: '1.0000' }],
    first_stored_at: TIME_EXAMPLE,
  },
);

export const COUNT_DUPLICATES: Operation = {
  summary: 'Counts the newest duplicates by their source',
  tags: ['ledgers'],
  responses: {
    200: json(
      'The sources, the most frequent first.',
      record({
        items: {
          type: 'array',
          items: record({
            source: SOURCE,
            within_a_minute: {
              type: ['boolean', 'null'],
              description: 'Whether they came within a minute of the first; null if unknown.',
            },
            count: COUNT,
          }),
        },
        is_capped: {
          type: 'boolean',
          description: 'Whether only the newest were counted: about 100,000.',
        },
      }),
      {
        items: [{ source: 'resent_same_process', within_a_minute: true, count: 7 }],
        is_capped: false,
      },
    ),
  },
};
