/**
 * Reserves one unit of stock for each order, at its first event. When there is no stock left, the
 * CHECK of the table refuses the update (SQLSTATE 23514). The event is then parked, and later
 * events of its order wait behind it.
 *
 *   HANDLERS_MODULE=examples/stock/handlers.ts HANDLERS_MIGRATIONS=examples/stock npm start
 */
import { forEachEvent } from 'orderonce/handlers';

export const handlers = [
  forEachEvent('reserve stock', async ({ orderId, eventId }, tx) => {
    const { rowCount } = await tx.query(
      `INSERT INTO stock_reservations (order_id, event_id) VALUES ($1, $2)
       ON CONFLICT (order_id) DO NOTHING`,
      [orderId, eventId],
    );
    // The order has its unit already: this is a later event of it.
    if (rowCount === 0) return;
    await tx.query('UPDATE stock SET units = units - 1 WHERE id = 1');
  }),
];
