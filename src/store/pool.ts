/** The one door to PostgreSQL: connection settings and their reasons stand here. */
import type pg from 'pg';
import { splitSchema } from './schema-url.ts';
import { StorePool } from './store-pool.ts';
import { types } from './types.ts';

/** Gives connections, or runs one statement in a transaction of its own. */
export type Pool = pg.Pool & Pick<StorePool, 'schema' | 'useSchema'>;
/** One connection inside a transaction. */
export type Transaction = pg.ClientBase;
/** Anything that can run one statement by itself. */
export type Queryable = pg.Pool | pg.ClientBase;

export type PoolOptions = {
  /** May name the schema of the tables: `?schema=`. Where it does not, they are looked for. */
  readonly connectionString: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly connectionsMax: number;
  /** Client-side limit of one statement in ms: a hung server must not hang us. */
  readonly queryTimeoutMs: number;
  /** Whether statements marked by prepared() get a name; see statements.ts. */
  readonly prepares?: boolean;
};

/** Connects lazily: a pool can be made while PostgreSQL is down. */
export function createPool(options: PoolOptions): Pool {
  const { url, schema } = splitSchema(options.connectionString);
  // The server gives up before we do: its answer says why.
  const serverMs = options.queryTimeoutMs * 0.9;
  const limits = { lockMs: serverMs, statementMs: serverMs, idleMs: serverMs };
  const ofStatements = { schema, prepares: options.prepares ?? false, limits };
  const pool = new StorePool(ofStatements, {
    connectionString: url,
    application_name: options.name,
    max: options.connectionsMax,
    query_timeout: options.queryTimeoutMs,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    types,
  });
  // An idle connection that breaks is replaced at the next use; without a listener it would end
  // the process.
  pool.on('error', () => {});
  return pool;
}
