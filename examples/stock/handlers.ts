/**
 * Reserves one unit of stock per order, event by event. When stock runs out, the table's own CHECK
 * refuses the row (SQLSTATE 23514): that event is parked, later ones of its order wait behind it.
 *
 *   psql "$(cat .orderonce/database-url)" -f examples/stock/schema.sql
 *   HANDLERS_MODULE=examples/stock/handlers.ts npm start
 */
import { forEachEvent } from 'orderonce/handlers';

export const handlers = [
  forEachEvent('reserve stock', async ({ orderId, eventId }, tx) => {
    const { rowCount } = await tx.query(
      `INSERT INTO stock_reservations (order_id, event_id) VALUES ($1, $2)
       ON CONFLICT (order_id) DO NOTHING`,
      [orderId, eventId],
    );
    // A later event of an order that has its unit.
    if (rowCount === 0) return;
    await tx.query('UPDATE stock SET units = units - 1 WHERE id = 1');
  }),
];
