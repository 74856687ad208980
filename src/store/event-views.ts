/** The view of a declared type: its stored events with a column for each field of their data. */

import { OrderonceError } from '../errors.ts';
import type { JsonSchema } from '../event/declaration.ts';
import { type DeclaredType, viewNameOf } from '../event/declared-events.ts';
import { ENVELOPE, type EnvelopeField } from '../event/envelope.ts';
import { IS_DATA_OF } from './event-columns.ts';
import type { Transaction } from './queryable.ts';
import { sqlStateOf } from './sqlstate.ts';
import { quoted } from './statements.ts';
import { inSavepoint } from './transaction.ts';

/** A column cannot be removed or renamed; other objects depend on the view. */
const CANNOT_REPLACE = '42P16';
const DEPENDENT = '2BP01';
/** The comment by which our view of a type is known. TYPE_NAME allows no quotes. */
const markOf = (type: string) => `Stored events of the type ${type}, by Orderonce`;
/** PostgreSQL's limit (manual, section 4.1.1). */
const IDENTIFIER_BYTES_MAX = 63;

const OWN_COLUMNS = [
  ...(ENVELOPE as readonly EnvelopeField[]).map(({ column }) => `p.${column}`),
  'p.event_id_text',
  'p.order_id_text',
  'p.processed_at',
  'p.log_id',
  'p.log_partition',
  'p.log_offset',
  'd.event_version',
];
const OWN_NAMES = OWN_COLUMNS.map((column) => column.slice(2));

/**
 * Creates or replaces the view. If the team has something else of this name, the view has the suffix
 * `_events`. A view on which other views depend stays as it is, if it would have to lose a column.
 * @param tx with the schema as search_path.
 * @throws SCHEMA_TAKEN if both names are taken.
 */
export async function replaceTypeView(tx: Transaction, type: DeclaredType): Promise<void> {
  const usual = viewNameOf(type.name);
  const mark = markOf(type.name);
  const [name] = await freeNames(tx, [usual, `${usual}_events`], mark);
  if (name === undefined) {
    const message = `The view of the event type ${type.name} needs the name "${usual}" or "${usual}_events" in this schema. Rename what has these names, or set DATABASE_SCHEMA to a schema of Orderonce's own`;
    throw new OrderonceError('SCHEMA_TAKEN', message);
  }
  const create = `CREATE OR REPLACE VIEW ${quoted(name)} WITH (security_invoker = true) AS ${queryOf(type)}`;
  const failed = await tryStatement(tx, create);
  if (failed === CANNOT_REPLACE) {
    if ((await tryStatement(tx, `DROP VIEW ${quoted(name)}`)) === DEPENDENT) return;
    await tx.query({ text: create });
  }
  await tx.query({ text: `COMMENT ON VIEW ${quoted(name)} IS '${mark}'` });
}

/** Which of these names no relation has but our view with this mark. */
async function freeNames(
  tx: Transaction,
  names: readonly string[],
  mark: string,
): Promise<string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
      WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relname = ANY ($1)
        AND NOT (relkind = 'v' AND obj_description(oid, 'pg_class') IS NOT DISTINCT FROM $2)`,
    [names, mark],
  );
  return names.filter((name) => !rows.some((row) => row.name === name));
}

/** @returns the SQLSTATE if the statement failed because of what depends on the view, or null. */
async function tryStatement(tx: Transaction, text: string): Promise<string | null> {
  const attempt = await inSavepoint(
    (savepoint) => tx.query({ text: savepoint }),
    () => tx.query({ text }),
  );
  if (!('failure' in attempt)) return null;
  const state = sqlStateOf(attempt.failure) ?? '';
  if (state !== CANNOT_REPLACE && state !== DEPENDENT) throw attempt.failure;
  return state;
}

function queryOf({ name, dataSchema }: DeclaredType): string {
  const columns = columnsOf(dataSchema);
  // The type is the team's own name. TYPE_NAME allows no quotes in it.
  return `SELECT ${[...OWN_COLUMNS, ...columns, 'd.data'].join(', ')}
    FROM event_data d
    JOIN processed_events p ON ${IS_DATA_OF('p')}
   WHERE d.event_type = '${name}'`;
}

/** One column for each declared property, empty where an event has a value of another type. */
function columnsOf(schema: JsonSchema | null): string[] {
  const properties = schema?.properties;
  if (typeof properties !== 'object' || properties === null) return [];
  const taken = new Set([...OWN_NAMES, 'data']);
  const columns: string[] = [];
  for (const [key, property] of Object.entries(properties)) {
    const column = OWN_NAMES.includes(key) || key === 'data' ? `data_${key}` : key;
    const isUsable = column !== '' && Buffer.byteLength(column) <= IDENTIFIER_BYTES_MAX;
    if (!isUsable || taken.has(column)) continue;
    taken.add(column);
    columns.push(
      `${typedValueOf(key, (property as { type?: unknown })?.type)} AS ${quoted(column)}`,
    );
  }
  return columns;
}

function typedValueOf(key: string, type: unknown): string {
  const literal = `'${key.replaceAll("'", "''")}'`;
  const as = (kind: string, sql: string) =>
    `CASE WHEN jsonb_typeof(d.data -> ${literal}) = '${kind}' THEN ${sql} END`;
  switch (type) {
    case 'string':
      return as('string', `d.data ->> ${literal}`);
    case 'integer':
    case 'number':
      return as('number', `(d.data ->> ${literal})::numeric`);
    case 'boolean':
      return as('boolean', `(d.data ->> ${literal})::boolean`);
    default:
      return `d.data -> ${literal}`;
  }
}
