/** In which schema of the database our tables are. */
import { OrderonceError } from '../errors.ts';
import type { Transaction } from './queryable.ts';

/** Where nothing says otherwise, and nobody else's tables are in the way. */
export const USUAL_SCHEMA = 'public';
/** Where the usual one holds tables of somebody else by the names of ours, or may not be used. */
export const OWN_SCHEMA = 'orderonce';

/** SQL: whether a table of the schema `n` has a column. Reads catalogs only, so needs no rights. */
const hasColumn = (table: string, column: string) =>
  `EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
              AND c.relname = '${table}' AND a.attname = '${column}' AND NOT a.attisdropped)`;

/** Told by columns that no other tool gives its table of the same name. */
const IS_OURS = `${hasColumn('schema_migrations', 'checksum')}
  AND ${hasColumn('consumer_positions', 'next_offset')}`;
const HAS_ORDERS = hasColumn('orders', 'last_log_offset');

/**
 * The schemas that hold our tables, whoever owns them and whatever search_path says; temporary
 * tables do not count. Usually one.
 */
export async function findSchemas(tx: Transaction): Promise<string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_catalog.pg_namespace n
      WHERE nspname !~ '^pg_' AND ${IS_OURS} ORDER BY nspname`,
  );
  return rows.map(({ name }) => name);
}

/** @returns null where none has them yet. @throws SCHEMA_AMBIGUOUS where several have. */
export function onlySchema(names: readonly string[]): string | null {
  if (names.length <= 1) return names[0] ?? null;
  const all = names.map((name) => `"${name}"`).join(', ');
  throw new OrderonceError(
    'SCHEMA_AMBIGUOUS',
    `The schemas ${all} hold tables of Orderonce each: set DATABASE_SCHEMA to the one that is meant`,
  );
}

export type SchemaState = {
  /** The role may make tables in it. */
  readonly mayCreate: boolean;
  readonly isOurs: boolean;
  /** It has the table `orders`, and that is ours. */
  readonly hasOrders: boolean;
};

/** null where there is no such schema. */
export async function readSchema(tx: Transaction, schema: string): Promise<SchemaState | null> {
  const { rows } = await tx.query<SchemaState>(
    `SELECT pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS "mayCreate", ${IS_OURS} AS "isOurs",
            ${HAS_ORDERS} AS "hasOrders"
       FROM pg_catalog.pg_namespace n WHERE nspname = $1`,
    [schema],
  );
  return rows[0] ?? null;
}
