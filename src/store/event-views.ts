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

/** Other objects depend on the view. */
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
/** The column with all of the data, and how a column begins whose member has the name of another one. */
const DATA = 'data';
const PREFIX = 'data_';
const OWN_NAMES = OWN_COLUMNS.map((column) => column.slice(2));

/**
 * Creates the view, or brings it up to date: a column that it has stays, also if only a newer release
 * or another version of the type knows it, and new ones come last. So whoever may read it, and views of
 * the team that read it, need not be touched. Only where a field has another type now is the view made
 * anew, for the same roles. If the team has something else of this name, the view has the suffix
 * `_events`.
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
  const declared = columnsOf(type.dataSchema);
  const create = (columns: readonly string[]) =>
    tx.query({
      text: `CREATE OR REPLACE VIEW ${quoted(name)} WITH (security_invoker = true) AS ${queryOf(type.name, columns)}`,
    });
  const present = await readColumns(tx, name);
  const grown = grownFrom(present, declared);
  if (grown !== null) await create(grown);
  else {
    const grants = await readGrants(tx, name);
    if (!(await dropUnlessNeeded(tx, name))) return;
    await create(grownFrom([], declared) ?? []);
    for (const grant of grants) await tx.query({ text: grant });
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

/** @returns false if views of the team depend on the view; then it stays as it is. */
async function dropUnlessNeeded(tx: Transaction, name: string): Promise<boolean> {
  const attempt = await inSavepoint(
    (savepoint) => tx.query({ text: savepoint }),
    () => tx.query({ text: `DROP VIEW ${quoted(name)}` }),
  );
  if (!('failure' in attempt)) return true;
  if (sqlStateOf(attempt.failure) !== DEPENDENT) throw attempt.failure;
  return false;
}

/** The statements that give the roles of the view what they have now. */
async function readGrants(tx: Transaction, view: string): Promise<string[]> {
  const { rows } = await tx.query<{ text: string }>(
    `SELECT format('GRANT %s ON %I TO %s%s', a.privilege_type, c.relname,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(a.grantee::regrole::text) END,
              CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS text
       FROM pg_class c, aclexplode(c.relacl) a
      WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = $1
        AND a.grantee <> c.relowner`,
    [view],
  );
  return rows.map(({ text }) => text);
}

/** A column of the view for a member of the data. */
type Column = { readonly name: string; readonly key: string; readonly kind: Kind };
/** The type of the column: that of PostgreSQL. */
type Kind = 'text' | 'numeric' | 'boolean' | 'jsonb';

/**
 * The columns that the view has behind those of every view; none if there is no view yet.
 * @returns null if an older release gave it other columns before them.
 */
async function readColumns(tx: Transaction, view: string): Promise<Column[] | null> {
  const { rows } = await tx.query<{ name: string; kind: Kind }>(
    `SELECT a.attname AS name, format_type(a.atttypid, NULL) AS kind
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = $1
        AND c.relkind = 'v' AND NOT a.attisdropped
      ORDER BY a.attnum`,
    [view],
  );
  if (rows.length > 0 && OWN_NAMES.some((name, i) => rows[i]?.name !== name)) return null;
  const keyOf = (name: string) => {
    const rest = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
    return isTaken(rest) ? rest : name;
  };
  const ofData = rows.slice(OWN_NAMES.length);
  return ofData.map(({ name, kind }) => ({ name, kind, key: name === DATA ? '' : keyOf(name) }));
}

/** @returns the view's columns with the declared ones behind them; null if one has another type now. */
function grownFrom(
  present: readonly Column[] | null,
  declared: readonly Column[],
): string[] | null {
  if (present === null) return null;
  const isOther = (column: Column) =>
    present.some(({ name, kind }) => name === column.name && kind !== column.kind);
  if (declared.some(isOther)) return null;
  const fresh = declared.filter(({ name }) => !present.some((one) => one.name === name));
  if (present.length === 0) return [...fresh.map(expressionOf), 'd.data'];
  return [...present, ...fresh].map((column) =>
    column.name === DATA ? 'd.data' : expressionOf(column),
  );
}

function queryOf(type: string, columns: readonly string[]): string {
  // The type is the team's own name. TYPE_NAME allows no quotes in it.
  return `SELECT ${[...OWN_COLUMNS, ...columns].join(', ')}
    FROM event_data d
    JOIN processed_events p ON ${IS_DATA_OF('p')}
   WHERE d.event_type = '${type}'`;
}

/** One column for each declared property. */
function columnsOf(schema: JsonSchema | null): Column[] {
  const properties = schema?.properties;
  if (typeof properties !== 'object' || properties === null) return [];
  const columns = new Map<string, Column>();
  for (const [key, property] of Object.entries(properties)) {
    const name = isTaken(key) ? `${PREFIX}${key}` : key;
    const isUsable = name !== '' && Buffer.byteLength(name) <= IDENTIFIER_BYTES_MAX;
    if (!isUsable || columns.has(name)) continue;
    columns.set(name, { name, key, kind: kindOf(property, schema ?? {}) });
  }
  return [...columns.values()];
}

const isTaken = (name: string) => OWN_NAMES.includes(name) || name === DATA;

const KINDS: Readonly<Record<string, Kind>> = {
  string: 'text',
  integer: 'numeric',
  number: 'numeric',
  boolean: 'boolean',
};

/** Whether a value may also be null makes no difference: a column may be too. */
function kindOf(property: unknown, root: JsonSchema): Kind {
  const { type, anyOf, enum: values, const: value, $ref } = (property ?? {}) as JsonSchema;
  if (typeof $ref === 'string') {
    const [, name] = /^#\/\$defs\/([^/~%]+)$/.exec($ref) ?? [];
    const found = name === undefined ? undefined : (root.$defs as JsonSchema | undefined)?.[name];
    // One step, so that a definition that names itself does no harm.
    return found === undefined || '$ref' in Object(found) ? 'jsonb' : kindOf(found, root);
  }
  const kinds = Array.isArray(anyOf)
    ? anyOf.filter((one) => one?.type !== 'null').map((one) => kindOf(one, {}))
    : typesOf(type, values ?? (value === undefined ? undefined : [value]))
        .filter((one) => one !== 'null')
        .map((one) => KINDS[one] ?? 'jsonb');
  const [kind = 'jsonb', ...others] = new Set(kinds);
  return others.length === 0 ? kind : 'jsonb';
}

function typesOf(type: unknown, values: unknown): string[] {
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type;
  if (!Array.isArray(values)) return [];
  return values.map((value) => (value === null ? 'null' : typeof value));
}

/** The member's value; NULL if it is of another type. */
function expressionOf({ name, key, kind }: Column): string {
  const member = `d.data -> '${key.replaceAll("'", "''")}'`;
  const text = member.replace('->', '->>');
  const as = (json: string, sql: string) =>
    `CASE WHEN jsonb_typeof(${member}) = '${json}' THEN ${sql} END AS ${quoted(name)}`;
  if (kind === 'text') return as('string', text);
  if (kind === 'numeric') return as('number', `(${text})::numeric`);
  if (kind === 'boolean') return as('boolean', `(${text})::boolean`);
  return `${member} AS ${quoted(name)}`;
}
