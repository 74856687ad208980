/** Finds the schema in which our tables are. */
import { OrderonceError } from '../errors.ts';
import type { Transaction } from './queryable.ts';

/** The schema for the tables if no setting names one and our names are free in it. */
export const USUAL_SCHEMA = 'public';
/**
 * The schema for the tables if another application uses our names in `public`, or it is forbidden.
 */
export const OWN_SCHEMA = 'orderonce';

/**
 * SQL: whether a table of the schema `n` has a column. It reads only catalogs, so needs no rights.
 */
const hasColumn = (table: string, column: string) =>
  `EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
              AND c.relname = '${table}' AND a.attname = '${column}' AND NOT a.attisdropped)`;

/** SQL: whether the tables are ours, by columns that tables of other tools do not have. */
const IS_OURS = `${hasColumn('schema_migrations', 'checksum')}
  AND ${hasColumn('consumer_positions', 'next_offset')}`;
const HAS_ORDERS = hasColumn('orders', 'last_log_offset');

/**
 * The schemas that hold our tables, usually one. Neither the owner nor search_path matters, and
 * temporary tables do not count.
 */
export async function findSchemas(tx: Transaction): Promise<string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_catalog.pg_namespace n
      WHERE nspname !~ '^pg_' AND ${IS_OURS} ORDER BY nspname`,
  );
  return rows.map(({ name }) => name);
}

/** @returns null if there is none yet. @throws SCHEMA_AMBIGUOUS if there are several. */
export function onlySchema(names: readonly string[]): string | null {
  if (names.length <= 1) return names[0] ?? null;
  const all = names.map((name) => `"${name}"`).join(', ');
  throw new OrderonceError(
    'SCHEMA_AMBIGUOUS',
    `Each of the schemas ${all} holds tables of Orderonce. Set DATABASE_SCHEMA to the one to use`,
  );
}

/** What a schema holds. */
export type SchemaState = {
  /** The role may create tables in it. */
  readonly mayCreate: boolean;
  /** It holds our tables. */
  readonly isOurs: boolean;
  /** It holds our table `orders`. */
  readonly hasOrders: boolean;
};

/** @returns null if there is no such schema. */
export async function readSchema(tx: Transaction, schema: string): Promise<SchemaState | null> {
  const { rows } = await tx.query<SchemaState>(
    `SELECT pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS "mayCreate", ${IS_OURS} AS "isOurs",
            ${HAS_ORDERS} AS "hasOrders"
       FROM pg_catalog.pg_namespace n WHERE nspname = $1`,
    [schema],
  );
  return rows[0] ?? null;
}
