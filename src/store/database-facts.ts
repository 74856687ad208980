import type { Pool } from './pool.ts';
import { USUAL_SCHEMA } from './schema.ts';
import { MILLISECONDS } from './utc.ts';

/** What `doctor` reads about a database. */
export type DatabaseFacts = {
  readonly version: number;
  readonly isReplica: boolean;
  readonly encoding: string;
  /** The schema of the tables, or the usual one if there are none yet. */
  readonly schema: string;
  /** The role's search_path, without schemas that do not exist. */
  readonly searchPath: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
  /** Rights that consumer and commands need and this role lacks, such as "INSERT on orders". */
  readonly missingRights: readonly string[];
  /** The role may read every table and change none, which is enough for lists and `verify`. */
  readonly onlyReads: boolean;
  /** The server's clock minus ours, in ms, corrected by half a round trip. */
  readonly clockSkewMs: number;
  readonly connectionsFree: number;
};

const SETTINGS = ['fsync', 'synchronous_commit', 'full_page_writes', 'max_connections'];
/** The rights that are needed on each table. grants.sql grants these. */
const RIGHTS: Readonly<Record<string, string>> = {
  schema_migrations: 'SELECT',
  processed_events: 'SELECT, INSERT',
  orders: 'SELECT, INSERT, UPDATE',
  consumer_positions: 'SELECT, INSERT, UPDATE, DELETE',
  duplicates: 'SELECT, INSERT, UPDATE (event_id)',
  conflicts: 'SELECT, INSERT, UPDATE (digest)',
  dead_letters: 'SELECT, INSERT, UPDATE, DELETE',
  dead_letter_claims: 'SELECT',
  dead_letter_audit: 'SELECT, INSERT',
  held_orders: 'SELECT, INSERT, UPDATE, DELETE',
  log_gaps: 'SELECT, INSERT, UPDATE (to_offset)',
  logs: 'SELECT, INSERT',
  outbox: 'SELECT, INSERT, UPDATE, DELETE',
  outbox_shards: 'SELECT, UPDATE',
  outbox_relays: 'SELECT, INSERT, UPDATE, DELETE',
  suspects: 'SELECT, INSERT, UPDATE, DELETE',
  position_troubles: 'SELECT, INSERT, UPDATE, DELETE',
  closed_positions: 'SELECT, INSERT',
  deployment_handlers: 'SELECT, INSERT, UPDATE',
  activity: 'SELECT, INSERT, UPDATE, DELETE',
  processes: 'SELECT, INSERT, UPDATE, DELETE',
  redrive_jobs: 'SELECT, INSERT, UPDATE',
  proof_worker: 'SELECT, UPDATE',
  proof_progress: 'SELECT, INSERT, UPDATE',
  proof_segments: 'SELECT, INSERT, UPDATE',
  proof_findings: 'SELECT, INSERT, UPDATE',
};
const OF_EMBEDDED_LOG = {
  event_log: 'SELECT, INSERT, DELETE',
  event_log_partitions: 'SELECT, INSERT, UPDATE',
};

/** What a deployment uses, which decides which rights it needs. */
export type Use = { readonly hasEmbeddedLog: boolean; readonly keepsOrders: boolean };

/** Reads the facts. @throws if the database does not answer. */
export async function readDatabaseFacts(pool: Pool, use: Use): Promise<DatabaseFacts> {
  const asked = Date.now();
  const { rows } = await pool.query(
    `SELECT current_setting('server_version_num')::int / 10000 AS version,
            pg_is_in_recovery() AS "isReplica", current_setting('server_encoding') AS encoding,
            current_schemas(false)::text[] AS "searchPath",
            ${MILLISECONDS('clock_timestamp()')} AS "atMs",
            current_setting('max_connections')::int - (SELECT count(*) FROM pg_stat_activity)::int
              AS "connectionsFree"`,
  );
  const answered = Date.now();
  const { atMs, ...facts } = rows[0];
  const settings = await pool.query(
    // reset_val is the value of role and database. In this transaction some settings are others.
    'SELECT name, reset_val AS setting FROM pg_settings WHERE name = ANY ($1::text[])',
    [SETTINGS],
  );
  const schema = pool.schema ?? USUAL_SCHEMA;
  const rights = await readRights(pool, schema, use);
  return {
    ...facts,
    schema,
    settings: Object.fromEntries(settings.rows.map(({ name, setting }) => [name, setting])),
    ...rights,
    clockSkewMs: Math.round(atMs - (asked + answered) / 2),
  };
}

/** Compares the rights of this role with those that are needed, for the tables that exist. */
async function readRights(pool: Pool, schema: string, { hasEmbeddedLog, keepsOrders }: Use) {
  const { orders, ...always } = RIGHTS;
  const needed = {
    ...always,
    // Without the projection, a table with this name belongs to another application.
    ...(keepsOrders ? { orders } : {}),
    ...(hasEmbeddedLog ? OF_EMBEDDED_LOG : {}),
  };
  const wanted = Object.entries(needed).flatMap(([table, rights]) =>
    (rights ?? '').split(', ').map((right) => ({ table, right, ...partsOf(right) })),
  );
  // has_column_privilege is also true for a right on the whole table.
  const { rows } = await pool.query<{ table: string; right: string; has: boolean }>(
    `SELECT w."table", w."right",
            CASE WHEN w."column" IS NULL THEN has_table_privilege(c.oid, w.action)
                 ELSE has_column_privilege(c.oid, w."column", w.action) END AS has
       FROM jsonb_to_recordset($1::jsonb) AS w ("table" text, "right" text, action text, "column" text)
       JOIN pg_catalog.pg_class c ON c.relname = w."table"
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $2
      ORDER BY w."table", w."right"`,
    [JSON.stringify(wanted), schema],
  );
  const usage = await pool.query<{ has: boolean }>(
    "SELECT has_schema_privilege(oid, 'USAGE') AS has FROM pg_catalog.pg_namespace WHERE nspname = $1",
    [schema],
  );
  const missing = rows.filter(({ has }) => !has);
  const isRead = ({ right }: { right: string }) => right === 'SELECT';
  return {
    missingRights: [
      ...(usage.rows[0]?.has === false ? [`USAGE on schema ${schema}`] : []),
      ...missing.map(({ table, right }) => `${right} on ${table}`),
    ],
    onlyReads: !missing.some(isRead) && rows.every((row) => row.has === isRead(row)),
  };
}

/** Reads a right: "UPDATE (digest)" is UPDATE on the column digest. */
function partsOf(right: string): { action: string; column: string | null } {
  const [, action = right, column = null] = /^(\w+) \((\w+)\)$/.exec(right) ?? [];
  return { action, column };
}
