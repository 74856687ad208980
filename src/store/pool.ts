/** The one door to PostgreSQL: connection settings and their reasons are explained here. */
import type pg from 'pg';
import { type DatabaseTarget, parseDatabaseUrl } from '../settings/database-url.ts';
import { splitSchema } from '../settings/schema-url.ts';
import { KnownServers, openSession } from './connect.ts';
import { USUAL_SCHEMA } from './schema.ts';
import { StatementNames } from './statement-names.ts';
import { SchemaName } from './statements.ts';
import { StorePool } from './store-pool.ts';
import { types } from './types.ts';

export type { Queryable, Transaction } from './queryable.ts';
export type Pool = StorePool;

export type PoolOptions = {
  /** May name the schema of the tables: `?schema=`. Where it does not, they are looked for. */
  readonly connectionString: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly connectionsMax: number;
  /** Client-side limit of one statement in ms: a hung server must not hang us. */
  readonly queryTimeoutMs: number;
  /** After so long a session is replaced at its next rest. Default: DEFAULT_LIFETIME_MS. */
  readonly lifetimeMs?: number | undefined;
  /** Whether statements marked by prepared() get a name; see there. */
  readonly prepares?: boolean;
  /** Told once, in words, when the pool stops giving statements names. */
  readonly onWarning?: ((warning: string) => void) | undefined;
};

const DEFAULT_LIFETIME_MS = 1_800_000;
/** Of a silent connection: then the kernel asks every second whether the other side is there. */
const KEEP_ALIVE_MS = 5000;
const NAMES_LOST =
  'A connection pooler in front of PostgreSQL loses prepared statements: this process continues ' +
  'without them. DATABASE_PREPARED_STATEMENTS=off says so from the beginning; a pooler that ' +
  'knows them (PgBouncer from 1.21 with max_prepared_statements) saves half of the work on small batches';

const knownServers = new Map<string, KnownServers>();

/**
 * Connects lazily: a pool can be made while PostgreSQL is down.
 * @throws SETTING_INVALID where the connection string is none.
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
  // The server gives up before we do: its answer says why.
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
