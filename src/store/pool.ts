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
  /** Whether statements marked by prepared() get a name; see there. */
  readonly prepares?: boolean;
};

const names = new Map<string, string>();

/**
 * Marks a statement that runs all the time: each connection has it parsed and planned once, under a
 * name. For a small batch that was half of PostgreSQL's work. A pooler in transaction mode hands
 * one session to many, and where it does not know names they must be off.
 */
export function prepared(text: string): string {
  names.set(text, `orderonce_${names.size}`);
  return text;
}

class PreparingClient extends pg.Client {
  // The driver's overloads, of which only one is for us.
  // biome-ignore lint/suspicious/noExplicitAny: whatever else comes is passed on as it is
  override query(text: any, values?: any, callback?: any): any {
    const name = typeof text === 'string' && Array.isArray(values) ? names.get(text) : undefined;
    if (name === undefined) return super.query(text, values, callback);
    return super.query({ name, text, values }, callback);
  }
}

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
    ...(options.prepares ? { Client: PreparingClient } : {}),
  });
  // An idle connection that breaks is replaced at the next use; without a listener it would end
  // the process.
  pool.on('error', () => {});
  return pool;
}
