/** Creates the pools for PostgreSQL. All connections are made here, with these settings. */
import type pg from 'pg';
import { type DatabaseTarget, parseDatabaseUrl } from '../settings/database-url.ts';
import { splitSchema } from '../settings/schema-url.ts';
import { KnownServers, openSession } from './connect.ts';
import { USUAL_SCHEMA } from './schema.ts';
import { StatementNames } from './statement-names.ts';
import { SchemaName } from './statements.ts';
import { StorePool } from './store-pool.ts';
import { types } from './types.ts';

export type Pool = StorePool;

export type PoolOptions = {
  /** A URL. `?schema=` may name the schema of the tables; without it, the schema is looked up. */
  readonly connectionString: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly connectionsMax: number;
  /** Client-side limit of one statement in ms, so that a server that hangs cannot block us. */
  readonly queryTimeoutMs: number;
  /** Age in ms at which a session is replaced once it is idle. Default: DEFAULT_LIFETIME_MS. */
  readonly lifetimeMs?: number | undefined;
  /** Whether statements that are marked by prepared() are sent as prepared statements. */
  readonly prepares?: boolean;
  /** Called once with a warning when the pool stops using prepared statements. */
  readonly onWarning?: ((warning: string) => void) | undefined;
};

const DEFAULT_LIFETIME_MS = 1_800_000;
/** After this time without traffic the kernel checks every second that the peer is still there. */
const KEEP_ALIVE_MS = 5000;
const NAMES_LOST =
  'A connection pooler in front of PostgreSQL loses prepared statements. This process continues ' +
  'without them. Set DATABASE_PREPARED_STATEMENTS=off to do without them from the start, or use a pooler ' +
  'that supports them (PgBouncer from 1.21 with max_prepared_statements), which saves half of the work on small batches';

const knownServers = new Map<string, KnownServers>();

/**
 * Creates a pool. It connects when a connection is needed, so it can be created while PostgreSQL is
 * down. The caller must call end().
 * @throws SETTING_INVALID if the connection string is not valid.
 */
export function createPool(options: PoolOptions): Pool {
  const { connectionString, onWarning } = options;
  const { url, schema } = splitSchema(connectionString);
  const target = parseDatabaseUrl(url);
  const name = new SchemaName(schema ?? USUAL_SCHEMA);
  const known = knownServers.get(connectionString) ?? new KnownServers();
  knownServers.set(connectionString, known);
  const names = options.prepares ? new StatementNames(() => onWarning?.(NAMES_LOST)) : undefined;
  const base = { ...sessionConfigOf(target, options), names, schema: name };
  // The server's limits are shorter than ours, so that its error arrives, which says more.
  const serverMs = options.queryTimeoutMs * 0.9;
  const limits = { lockMs: serverMs, statementMs: serverMs, idleMs: serverMs };
  return new StorePool(
    { schema: name, isKnown: schema !== undefined, limits },
    {
      open: () => openSession(target, known, base),
      known,
      sessionsMax: options.connectionsMax,
      lifetimeMs: options.lifetimeMs ?? DEFAULT_LIFETIME_MS,
    },
  );
}

function sessionConfigOf(target: DatabaseTarget, options: PoolOptions): pg.ClientConfig {
  return {
    user: target.user,
    password: target.password,
    database: target.database,
    application_name: target.applicationName ?? options.name,
    options: target.options,
    enableChannelBinding: target.channelBinding,
    sslnegotiation: target.sslNegotiation,
    query_timeout: options.queryTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types,
  };
}
