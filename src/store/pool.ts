/** The one door to PostgreSQL: connection settings and their reasons stand here. */
import pg from 'pg';

/** Answers of bigint columns as numbers: offsets and counts stay far below 2^53. */
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} exceeds 2^53`);
  return value;
});

export type Pool = pg.Pool;
/** One connection inside a transaction. */
export type Transaction = pg.ClientBase;
/** Anything that can run one statement by itself. */
export type Queryable = pg.Pool | pg.ClientBase;

export type PoolOptions = {
  readonly connectionString: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly connectionsMax: number;
  /** Client-side limit of one statement in ms: a hung server must not hang us. */
  readonly queryTimeoutMs: number;
};

/** Connects lazily: a pool can be made while PostgreSQL is down. */
export function createPool(options: PoolOptions): Pool {
  const pool = new pg.Pool({
    connectionString: options.connectionString,
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
