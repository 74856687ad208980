import { pause } from '../runtime/backoff.ts';
import { createPool, type Pool } from '../store/pool.ts';

/** The consumer service's connections: apart, so that no page can hold up the heart. */
export type ConsumerPools = {
  /** For batches and positions. */
  readonly heart: Pool;
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

/** @param heartStatementMs what the server allows a statement of the heart. */
export function openConsumerPools(
  connectionString: string,
  options: { connections: number; heartStatementMs: number; prepares: boolean },
): ConsumerPools {
  const open = (name: string, connectionsMax: number, queryTimeoutMs: number, prepares = false) => {
    const limits = { connectionsMax, queryTimeoutMs, prepares };
    return createPool({ connectionString, name: `orderonce-${name}`, ...limits });
  };
  // One more than the batches under way, for reading positions.
  const { connections, heartStatementMs, prepares } = options;
  const heart = open('consumer', connections + 1, heartStatementMs + 1000, prepares);
  const queries = open('queries', 4, 5000);
  const ledgers = open('ledgers', 2, 5000);
  const redrives = open('redrive', 2, REDRIVE_STATEMENT_MS);
  const outbox = open('outbox', 2, 10_000);
  const all = [heart, queries, ledgers, redrives, outbox];
  const end = async () => {
    await Promise.race([Promise.allSettled(all.map((pool) => pool.end())), pause(1000)]);
  };
  return { heart, queries, ledgers, redrives, outbox, end };
}
