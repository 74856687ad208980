/** The columns of processed_events that hold the envelope, as envelope.ts has its fields. */
import { ENVELOPE, type EnvelopeField } from '../event/envelope.ts';
import type { EventRecord } from '../log/decoded-record.ts';
import { amountArray, textArray, timestampArray, uuidArray } from './binary-arrays.ts';
import { UTC } from './utc.ts';

type SqlType = EnvelopeField['sqlType'];

/** How the values of many events are sent, by type. */
const ENCODERS: Readonly<Record<SqlType, (values: (string | null)[]) => Buffer>> = {
  uuid: uuidArray,
  text: textArray,
  numeric: amountArray,
  timestamptz: timestampArray,
};

/** SQL that reads a column back as the canonical text of its field. */
const READERS: Readonly<Record<SqlType, (column: string) => string>> = {
  uuid: (column) => column,
  text: (column) => column,
  numeric: (column) => `${column}::text`,
  timestamptz: UTC,
};

/** A column of processed_events, with the values that events have for it. */
export type EventColumn = {
  readonly name: string;
  readonly type: string;
  readonly encode: (events: readonly EventRecord[]) => Buffer;
};

const FIELDS: readonly EnvelopeField[] = ENVELOPE;

export const ENVELOPE_COLUMNS: readonly EventColumn[] = FIELDS.map(
  ({ column, sqlType, property }) => ({
    name: column,
    type: sqlType,
    encode: (events) => ENCODERS[sqlType](events.map(({ event }) => event[property as 'userId'])),
  }),
);

/** SQL: whether a row `d` of event_data is that of this row of processed_events. */
export const IS_DATA_OF = (alias: string) =>
  `(d.log_id, d.log_partition, d.log_offset, d.stored_at)
     = (${alias}.log_id, ${alias}.log_partition, ${alias}.log_offset, ${alias}.processed_at)`;

/** SQL: the canonical text of each field, by its name in JSON. */
function valuesOf(alias: string): (readonly [name: string, sql: string])[] {
  return FIELDS.map(({ name, sqlType, column }) => [name, READERS[sqlType](`${alias}.${column}`)]);
}

/**
 * SQL: a select list with the envelope of a stored event, in canonical text, named as in JSON.
 * @param without names that the statement selects in another way.
 */
export function selectEnvelope(alias: string, ...without: string[]): string {
  return valuesOf(alias)
    .filter(([name]) => !without.includes(name))
    .map(([name, sql]) => `${sql} AS ${name}`)
    .join(', ');
}

/**
 * SQL: the payload of a stored event as jsonb, with the ids as they were sent.
 * The row of event_data, which may be absent, is `d`.
 */
export function payloadOf(alias: string): string {
  const members = valuesOf(alias).map(([name, sql]) => {
    const isId = name === 'event_id' || name === 'order_id';
    return `'${name}', ${isId ? `coalesce(${alias}.${name}_text, ${sql}::text)` : sql}`;
  });
  return `jsonb_strip_nulls(jsonb_build_object(${members.join(', ')}))
    || CASE WHEN d.event_type IS NULL THEN '{}' ELSE
         jsonb_build_object('type', d.event_type, 'version', d.event_version)
         || CASE WHEN d.data IS NULL THEN '{}' ELSE jsonb_build_object('data', d.data) END
       END`;
}

/**
 * SQL: the digest of the envelope of a row, as digestOf() of src/event/order-event.ts has it for an
 * event without a type.
 */
export function envelopeDigest(alias: string): string {
  const text = (field: EnvelopeField) =>
    `coalesce(${READERS[field.sqlType](`${alias}.${field.column}`)}::text, '')`;
  const first = FIELDS.filter(({ digestAt }) => digestAt !== null).sort(
    (a, b) => Number(a.digestAt) - Number(b.digestAt),
  );
  const base = `sha256(convert_to(${first.map(text).join(` || E'\\n' || `)}, 'UTF8'))`;
  return FIELDS.filter(({ digestAt }) => digestAt === null).reduce(
    (digest, field) =>
      `CASE WHEN ${alias}.${field.column} IS NULL THEN ${digest} ELSE sha256(convert_to(
         encode(${digest}, 'hex') || E'\\n${field.name}\\n' || ${text(field)}, 'UTF8')) END`,
    base,
  );
}
