/** The table held_orders: orders with parked events, behind which their later events wait (G5). */
import type { Transaction } from './queryable.ts';

/**
 * Finds which of these orders are held, and locks their rows until COMMIT. So a redrive cannot
 * empty an order's queue while an event is being added to it. The rows are locked in order_id
 * order, so that two transactions cannot deadlock.
 */
export async function lockHeldOrders(
  tx: Transaction,
  orderIds: readonly string[],
): Promise<Set<string>> {
  const { rows } = await tx.query<{ order_id: string }>(
    `SELECT order_id FROM orderonce.held_orders WHERE order_id = ANY ($1::uuid[])
      ORDER BY order_id FOR UPDATE`,
    [orderIds],
  );
  return new Set(rows.map((row) => row.order_id));
}

/**
 * Holds orders until COMMIT at least. An order that is held already is locked, so that a redrive
 * elsewhere cannot release it before this transaction's dead letter can be seen.
 */
export async function holdOrders(tx: Transaction, orderIds: readonly string[]): Promise<void> {
  await tx.query(
    `INSERT INTO orderonce.held_orders AS h (order_id)
     SELECT DISTINCT id FROM unnest($1::uuid[]) AS id ORDER BY id
     ON CONFLICT (order_id) DO UPDATE SET held_since = h.held_since`,
    [orderIds],
  );
}

/** Releases an order if it has no parked or waiting event. The caller must have locked its row. */
export async function releaseOrderIfEmpty(tx: Transaction, orderId: string): Promise<void> {
  await tx.query(
    `DELETE FROM orderonce.held_orders WHERE order_id = $1 AND NOT EXISTS (
       SELECT FROM orderonce.dead_letter_claims
        WHERE order_id = $1 AND state IN ('parked', 'waiting'))`,
    [orderId],
  );
}
