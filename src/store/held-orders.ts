/** held_orders: one row per order with parked events; later events of it wait behind them (G5). */
import type { Transaction } from './pool.ts';

/**
 * Locks the rows of the held ones among these orders until COMMIT, in order_id order, so that a
 * redrive cannot empty an order's queue while an event is being put behind it.
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

export async function holdOrder(tx: Transaction, orderId: string): Promise<void> {
  await tx.query(
    'INSERT INTO orderonce.held_orders (order_id) VALUES ($1) ON CONFLICT DO NOTHING',
    [orderId],
  );
}

/** Lets the order go once its queue is empty, in every partition. The row must be locked. */
export async function releaseOrderIfEmpty(tx: Transaction, orderId: string): Promise<void> {
  await tx.query(
    `DELETE FROM orderonce.held_orders WHERE order_id = $1 AND NOT EXISTS (
       SELECT FROM orderonce.dead_letter_claims
        WHERE order_id = $1 AND state IN ('parked', 'waiting'))`,
    [orderId],
  );
}
