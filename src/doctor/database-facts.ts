import type { Pool } from '../store/pool.ts';

export type DatabaseFacts = {
  readonly version: number;
  readonly isReplica: boolean;
  readonly encoding: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Tables that lack a right that consumer and commands need, with the right. */
  readonly missingRights: readonly string[];
  /** The server's clock before ours, in ms; half a round trip is allowed for. */
  readonly clockSkewMs: number;
  readonly connectionsFree: number;
  readonly sizeBytes: number;
};

const SETTINGS = ['fsync', 'synchronous_commit', 'full_page_writes', 'max_connections'];
/** Every table of ours and what is done to it. */
const RIGHTS: Readonly<Record<string, string>> = {
  processed_events: 'SELECT, INSERT',
  orders: 'SELECT, INSERT, UPDATE',
  consumer_positions: 'SELECT, INSERT, UPDATE, DELETE',
  duplicates: 'SELECT, INSERT, UPDATE',
  conflicts: 'SELECT, INSERT, UPDATE',
  dead_letters: 'SELECT, INSERT, UPDATE, DELETE',
  dead_letter_audit: 'SELECT, INSERT',
  held_orders: 'SELECT, INSERT, UPDATE, DELETE',
  log_gaps: 'SELECT, INSERT, UPDATE',
  logs: 'SELECT, INSERT',
  outbox: 'SELECT, INSERT, UPDATE, DELETE',
  outbox_shards: 'SELECT, UPDATE',
  outbox_relays: 'SELECT, INSERT, UPDATE, DELETE',
  suspects: 'SELECT, INSERT, UPDATE, DELETE',
  position_troubles: 'SELECT, INSERT, UPDATE, DELETE',
  closed_positions: 'SELECT, INSERT',
  deployment_handlers: 'SELECT, INSERT, UPDATE',
};

export async function readDatabaseFacts(pool: Pool): Promise<DatabaseFacts> {
  const asked = Date.now();
  const { rows } = await pool.query(
    `SELECT current_setting('server_version_num')::int / 10000 AS version,
            pg_is_in_recovery() AS "isReplica", current_setting('server_encoding') AS encoding,
            extract(epoch FROM clock_timestamp())::float8 * 1000 AS "atMs",
            current_setting('max_connections')::int - (SELECT count(*) FROM pg_stat_activity)::int
              AS "connectionsFree",
            pg_database_size(current_database()) AS "sizeBytes"`,
  );
  const answered = Date.now();
  const { atMs, ...facts } = rows[0];
  const settings = await pool.query(
    'SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])',
    [SETTINGS],
  );
  const rights = await pool.query(
    `SELECT t || ': ' || r AS missing
       FROM unnest($1::text[], $2::text[]) AS w (t, r)
      WHERE to_regclass(t) IS NOT NULL
        AND EXISTS (SELECT FROM unnest(string_to_array(r, ', ')) x
                     WHERE NOT has_table_privilege(to_regclass(t), x))`,
    [Object.keys(RIGHTS), Object.values(RIGHTS)],
  );
  return {
    ...facts,
    settings: Object.fromEntries(settings.rows.map(({ name, setting }) => [name, setting])),
    missingRights: rights.rows.map(({ missing }) => missing),
    clockSkewMs: Math.round(atMs - (asked + answered) / 2),
  };
}
