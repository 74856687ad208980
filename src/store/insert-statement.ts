/**
 * The statement that stores events. It is composed of the parts that a batch needs, so a deployment
 * without types, text ids or the projection sends none of theirs.
 */
import type { EventRecord } from '../log/decoded-record.ts';
import { bigintArray, byteaArray, intArray, textArray, uuidArray } from './binary-arrays.ts';
import { ENVELOPE_COLUMNS, type EventColumn } from './event-columns.ts';
import type { Projection } from './orders-projection.ts';
import { prepared } from './statement-names.ts';

/** What the events of a batch have, and what is kept of them. */
export type InsertParts = {
  readonly projection: Projection | null;
  /** The events are redriven; see Projection. */
  readonly isLate: boolean;
  /** Some of the events have a type. */
  readonly isTyped: boolean;
  /** Some of the events have text ids. */
  readonly hasTextIds: boolean;
};

/** A statement with the arrays that it takes, one for each column. */
export type InsertStatement = {
  readonly text: string;
  /** The values behind the first one, which is the log_id. */
  readonly encode: (events: readonly EventRecord[]) => Buffer[];
};

const COLUMNS: readonly EventColumn[] = [
  ...ENVELOPE_COLUMNS,
  { name: 'digest', type: 'bytea', encode: (events) => byteaArray(events.map((e) => e.digest)) },
  column('log_partition', 'int', intArray, ({ record }) => record.partition),
  column('log_offset', 'bigint', bigintArray, ({ record }) => record.offset),
  column('request_id', 'uuid', uuidArray, ({ record }) => record.requestId),
];

const TEXT_ID_COLUMNS: readonly EventColumn[] = [
  column('event_id_text', 'text', textArray, ({ event }) => event.sentIds?.eventId ?? null),
  column('order_id_text', 'text', textArray, ({ event }) => event.sentIds?.orderId ?? null),
];

/** Of the table event_data. They are sent for typed events only, with the place of each. */
const DATA_COLUMNS: readonly EventColumn[] = [
  column('log_partition', 'int', intArray, ({ record }) => record.partition),
  column('log_offset', 'bigint', bigintArray, ({ record }) => record.offset),
  column('event_type', 'text', textArray, ({ event }) => event.type ?? null),
  column('event_version', 'int', intArray, ({ event }) => event.version ?? 0),
  column('data', 'text', textArray, ({ event }) => event.data ?? null),
];

function column<T>(
  name: string,
  type: string,
  encode: (values: T[]) => Buffer,
  read: (event: EventRecord) => T,
): EventColumn {
  return { name, type, encode: (events) => encode(events.map(read)) };
}

const statements = new Map<string, InsertStatement>();

/** @returns the statement for these parts, which is composed once. */
export function insertStatement(parts: InsertParts): InsertStatement {
  const key = `${parts.projection !== null} ${parts.isLate} ${parts.isTyped} ${parts.hasTextIds}`;
  const known = statements.get(key);
  if (known !== undefined) return known;
  const composed = compose(parts);
  statements.set(key, composed);
  return composed;
}

function compose({ projection, isLate, isTyped, hasTextIds }: InsertParts): InsertStatement {
  const columns = hasTextIds ? [...COLUMNS, ...TEXT_ID_COLUMNS] : COLUMNS;
  const names = columns.map(({ name }) => name).join(', ');
  const text =
    `WITH input AS (
       SELECT * FROM unnest(${arraysOf(columns, 2)}) AS e (${names})
     ), ${isTyped ? 'inserted' : 'stored'} AS (
       INSERT INTO orderonce.processed_events (log_id, ${names})
       SELECT $1, ${names} FROM input ORDER BY event_id
       ON CONFLICT (event_id) DO NOTHING
       RETURNING ${RETURNED}
     )${isTyped ? withData(columns.length + 2) : ''}` +
    (projection?.sql({ isLate, hasCurrency: isTyped }) ?? '') +
    RESULT;
  return {
    // Redrives are rare and have many forms, so their statements are not prepared.
    text: isLate ? text : prepared(text),
    encode: (events) => {
      const typed = isTyped ? events.filter(({ event }) => event.type !== undefined) : [];
      const ofData = isTyped ? DATA_COLUMNS.map(({ encode }) => encode(typed)) : [];
      return [...columns.map(({ encode }) => encode(events)), ...ofData];
    },
  };
}

/** All that a projection may read of the inserted rows. */
const RETURNED = [...ENVELOPE_COLUMNS.map(({ name }) => name), 'log_partition', 'log_offset'].join(
  ', ',
);

/** Writes the data of those typed events that were stored, and gives each stored row its currency. */
function withData(first: number): string {
  const names = DATA_COLUMNS.map(({ name }) => name).join(', ');
  return `, typed AS (
       SELECT log_partition, log_offset, event_type, event_version, data::jsonb AS data
         FROM unnest(${arraysOf(DATA_COLUMNS, first)}) AS d (${names})
     ), data AS (
       INSERT INTO orderonce.event_data (log_id, ${names})
       SELECT $1, ${names} FROM typed JOIN inserted USING (log_partition, log_offset)
        ORDER BY log_partition, log_offset
     ), stored AS (
       SELECT inserted.*, CASE WHEN jsonb_typeof(data -> 'currency') = 'string'
                               THEN data ->> 'currency' END AS currency
         FROM inserted LEFT JOIN typed USING (log_partition, log_offset)
     )`;
}

function arraysOf(columns: readonly EventColumn[], first: number): string {
  return columns.map(({ type }, i) => `$${first + i}::${type}[]`).join(', ');
}

/** Usually all ids are new or none is. Then the count is enough, and no list of ids is returned. */
const EVENT_IDS = `$${2 + COLUMNS.findIndex(({ name }) => name === 'event_id')}::uuid[]`;
const RESULT = ` SELECT count(*)::int AS count,
       CASE WHEN count(*) BETWEEN 1 AND cardinality(${EVENT_IDS}) - 1 THEN (
         SELECT json_agg(id) FROM unnest(${EVENT_IDS}) AS id
          WHERE NOT EXISTS (SELECT FROM stored s WHERE s.event_id = id)) END AS known
  FROM stored`;
