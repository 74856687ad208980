import { pause } from '../runtime/backoff.ts';
import { createPool, type Pool, type PoolOptions } from '../store/pool.ts';

/**
 * The connection pools of the consumer service. They are separate, so that queries of the HTTP API
 * can never take the connections that processing needs.
 */
export type ConsumerPools = {
  /** For batch transactions and for positions. */
  readonly batches: Pool;
  /** For the health probe only, so that it waits for no other query; its own limit is 2 s. */
  readonly health: Pool;
  /** For short queries: health, single events and orders. */
  readonly queries: Pool;
  /** For lists and counts, which may scan a large table. */
  readonly ledgers: Pool;
  /** For redrives, edits and discards. */
  readonly redrives: Pool;
  /** For the relay. */
  readonly outbox: Pool;
  /** For the continuous proof, one connection. */
  readonly proof: Pool;
  /** Closes all connections. It resolves within a second, even if a server does not answer. */
  end(): Promise<void>;
};

/** A little more than the server's own limit for a statement of a redrive. */
const REDRIVE_STATEMENT_MS = 31_000;
/** More than the server's own limit for the longest statement of the proof. */
const PROOF_STATEMENT_MS = 125_000;
/**
 * The probe opens a new connection after this time. An old connection may keep working although no
 * new one can be opened, or although a failover has made another server the primary.
 */
const HEALTH_LIFETIME_MS = 10_000;

/** Sizes and limits of the pools; times are in milliseconds. */
export type ConsumerPoolOptions = {
  /** How many batches may be processed at the same time (CONSUMER_CONNECTIONS). */
  readonly connections: number;
  /** The server's limit for a statement of a batch. */
  readonly batchStatementMs: number;
  /** Whether statements of batches are prepared (DATABASE_PREPARED_STATEMENTS). */
  readonly prepares: boolean;
  /** Age at which an idle connection is replaced. */
  readonly lifetimeMs: number;
  readonly onWarning: (warning: string) => void;
};

/** Opens the pools; connections are made when they are first needed. The caller must call end(). */
export function openConsumerPools(
  connectionString: string,
  options: ConsumerPoolOptions,
): ConsumerPools {
  const { connections, batchStatementMs, prepares, lifetimeMs, onWarning } = options;
  const open = (
    name: string,
    connectionsMax: number,
    queryTimeoutMs: number,
    more: Partial<PoolOptions> = {},
  ) => {
    const limits = { connectionsMax, queryTimeoutMs, lifetimeMs, ...more };
    return createPool({ connectionString, name: `orderonce-${name}`, ...limits });
  };
  // One connection per batch, and one for reading positions.
  const names = { prepares, onWarning };
  const batches = open('consumer', connections + 1, batchStatementMs + 1000, names);
  const health = open('health', 1, 2000, { lifetimeMs: Math.min(lifetimeMs, HEALTH_LIFETIME_MS) });
  const queries = open('queries', 4, 5000);
  const ledgers = open('ledgers', 2, 5000);
  const redrives = open('redrive', 2, REDRIVE_STATEMENT_MS);
  const outbox = open('outbox', 2, 10_000);
  const proof = open('proof', 1, PROOF_STATEMENT_MS);
  const all = [batches, health, queries, ledgers, redrives, outbox, proof];
  const end = async () => {
    await Promise.race([Promise.allSettled(all.map((pool) => pool.end())), pause(1000)]);
  };
  return { batches, health, queries, ledgers, redrives, outbox, proof, end };
}
