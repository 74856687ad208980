/** What processing a batch needs on a real PostgreSQL: tables, positions, and a context. */

import type { TestContext } from 'node:test';
import { UNDECLARED } from '../../src/event/event-rules.ts';
import { NO_HANDLERS } from '../../src/handlers/run-handlers.ts';
import type { BatchContext, BatchOutcome } from '../../src/inbox/batch.ts';
import type { KnownSuspect } from '../../src/inbox/first-event.ts';
import { ParkGuard } from '../../src/inbox/park-guard.ts';
import { processBatch, processSuspect } from '../../src/inbox/process-batch.ts';
import type { LogSlice } from '../../src/log/event-log.ts';
import { splitSlice } from '../../src/log/log-slice.ts';
import { logIdOf } from '../../src/store/logs.ts';
import { ORDERS } from '../../src/store/orders-projection.ts';
import type { Pool } from '../../src/store/pool.ts';
import { ensurePositions, readPositions } from '../../src/store/positions.ts';
import { createDatabase } from './database.ts';

const TOPIC = 'order_events';
const LIMITS = { lockMs: 3000, statementMs: 8000, idleMs: 5000 };

export type Heart = {
  readonly pool: Pool;
  readonly url: string;
  readonly context: BatchContext;
};

/** A database with positions at 0 for `partitions` empty partitions. */
export async function setUpHeart(t: TestContext, partitions = 2): Promise<Heart> {
  const { pool, url } = await createDatabase(t);
  return { pool, url, context: await contextIn(pool, partitions) };
}

/** A context in a database that already has the tables. */
export async function contextIn(pool: Pool, partitions = 1): Promise<BatchContext> {
  const logId = await logIdOf(pool, { topic: TOPIC, topicId: 'topic-1', partitions });
  const bounds = Array.from({ length: partitions }, (_, p) => [p, { start: 0, end: 0 }] as const);
  await ensurePositions(pool, TOPIC, logId, new Map(bounds));
  return { ...contextOf(pool), logId };
}

/** A context without handlers, and with a park guard that never refuses. */
export function contextOf(pool: Pool): BatchContext {
  return {
    pool,
    limits: LIMITS,
    topic: TOPIC,
    logId: 1,
    owner: 'test',
    handlers: NO_HANDLERS,
    parkGuard: new ParkGuard(100),
    rules: UNDECLARED,
    projection: ORDERS,
  };
}

export async function count(pool: Pool, table: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(`SELECT count(*) AS n FROM ${table}`);
  return rows[0]?.n ?? -1;
}

export async function nextOffset(pool: Pool, partition = 0): Promise<number | undefined> {
  const positions = await readPositions(pool, TOPIC);
  return positions.find((position) => position.partition === partition)?.nextOffset;
}

/**
 * Processes a slice to its end, as the worker does: if only a prefix was committed, the rest
 * follows in further transactions. @returns the number of transactions.
 */
export async function processAll(context: BatchContext, slice: LogSlice): Promise<number> {
  let transactions = 0;
  let suspect: KnownSuspect | null = null;
  for (let rest = slice; rest.from < rest.next; transactions++) {
    const { next, held }: BatchOutcome =
      suspect === null
        ? await processBatch(context, rest)
        : await processSuspect(context, rest, suspect);
    rest = splitSlice(rest, next).tail;
    suspect = held ? { from: held.offset, attempts: held.attempts, othersSucceed: false } : null;
  }
  return transactions;
}

export async function orderRow(pool: Pool, orderId: string) {
  const { rows } = await pool.query(
    `SELECT event_count, amount_sum::text, total_amount::text, last_event_id, user_id
       FROM orders WHERE order_id = $1`,
    [orderId],
  );
  return rows[0];
}
