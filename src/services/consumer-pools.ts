import { pause } from '../runtime/backoff.ts';
import { createPool, type Pool, type PoolOptions } from '../store/pool.ts';

/** The consumer service's connections: apart, so that no page can hold up the heart. */
export type ConsumerPools = {
  /** For batches and positions. */
  readonly heart: Pool;
  /** For the health probe alone: neither waits for the others, nor for long. */
  readonly health: Pool;
  /** For health, single events and orders: quick questions. */
  readonly queries: Pool;
  /** For lists and counts, which may read through a large table. */
  readonly ledgers: Pool;
  readonly redrives: Pool;
  readonly outbox: Pool;
  /** Within a second, whatever hangs. */
  end(): Promise<void>;
};

/** A little more than what the server itself allows a redrive. */
const REDRIVE_STATEMENT_MS = 31_000;
/**
 * The probe connects anew so often: a connection of its own may work while none can be opened any
 * more, or may be with a server that is no longer the one (a failover that cut nothing).
 */
const HEALTH_LIFETIME_MS = 10_000;

export type ConsumerPoolOptions = {
  readonly connections: number;
  /** What the server allows a statement of the heart. */
  readonly heartStatementMs: number;
  readonly prepares: boolean;
  readonly lifetimeMs: number;
  readonly onWarning: (warning: string) => void;
};

export function openConsumerPools(
  connectionString: string,
  options: ConsumerPoolOptions,
): ConsumerPools {
  const { connections, heartStatementMs, prepares, lifetimeMs, onWarning } = options;
  const open = (
    name: string,
    connectionsMax: number,
    queryTimeoutMs: number,
    more: Partial<PoolOptions> = {},
  ) => {
    const limits = { connectionsMax, queryTimeoutMs, lifetimeMs, ...more };
    return createPool({ connectionString, name: `orderonce-${name}`, ...limits });
  };
  // One more than the batches under way, for reading positions.
  const names = { prepares, onWarning };
  const heart = open('consumer', connections + 1, heartStatementMs + 1000, names);
  const health = open('health', 1, 2000, { lifetimeMs: Math.min(lifetimeMs, HEALTH_LIFETIME_MS) });
  const queries = open('queries', 4, 5000);
  const ledgers = open('ledgers', 2, 5000);
  const redrives = open('redrive', 2, REDRIVE_STATEMENT_MS);
  const outbox = open('outbox', 2, 10_000);
  const all = [heart, health, queries, ledgers, redrives, outbox];
  const end = async () => {
    await Promise.race([Promise.allSettled(all.map((pool) => pool.end())), pause(1000)]);
  };
  return { heart, health, queries, ledgers, redrives, outbox, end };
}
