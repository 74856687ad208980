/**
 * The stock: an order reserves its lines, and gives them back when it is cancelled. What is shipped
 * leaves the warehouse. An order for more than is left violates the CHECK of the table: it is parked,
 * and later events of the order wait behind it.
 */
import type { HandlerTransaction } from 'orderonce/handlers';
import events from './events.ts';

type Line = { readonly sku: string; readonly quantity: number };

/** Handles one event after the other: simple, at the price of two statements for each. */
export const stock = events.on(
  ['order.placed', 'order.shipped', 'order.cancelled'],
  async (batch, tx) => {
    const lines = batch.flatMap((e) => (e.type === 'order.cancelled' ? [] : e.data.lines));
    const cancelled = batch.filter((e) => e.type === 'order.cancelled');
    // All rows of the batch in key order, so that two consumers cannot lock them crosswise.
    await tx.query(
      `SELECT FROM stock
        WHERE sku = ANY ($1) OR sku IN (SELECT sku FROM stock_moves WHERE order_id = ANY ($2))
        ORDER BY sku FOR UPDATE`,
      [lines.map(({ sku }) => sku), cancelled.map(({ orderId }) => orderId)],
    );
    for (const event of batch) {
      if (event.type === 'order.cancelled') await release(tx, event);
      else await move(tx, event, event.type === 'order.placed' ? [1, 0] : [-1, 1]);
      await tx.query(
        `UPDATE stock s SET reserved = s.reserved + m.reserved, shipped = s.shipped + m.shipped
           FROM stock_moves m WHERE m.event_id = $1 AND m.sku = s.sku`,
        [event.eventId],
      );
    }
  },
  { name: 'stock', check },
);

type Event = { readonly eventId: string; readonly orderId: string };

/** @param signs of what is reserved and of what is shipped. */
async function move(
  tx: HandlerTransaction,
  { eventId, orderId, data }: Event & { readonly data: { readonly lines: readonly Line[] } },
  signs: readonly [number, number],
) {
  const { lines } = data;
  await tx.query(
    `INSERT INTO stock_moves (event_id, order_id, sku, reserved, shipped)
     SELECT $1, $2, sku, $5 * sum(quantity), $6 * sum(quantity)
       FROM unnest($3::text[], $4::integer[]) AS l (sku, quantity) GROUP BY sku`,
    [eventId, orderId, lines.map((l) => l.sku), lines.map((l) => l.quantity), ...signs],
  );
}

/** What the order still reserves. */
async function release(tx: HandlerTransaction, { eventId, orderId }: Event) {
  await tx.query(
    `INSERT INTO stock_moves (event_id, order_id, sku, reserved, shipped)
     SELECT $1, $2, sku, -sum(reserved), 0 FROM stock_moves WHERE order_id = $2
      GROUP BY sku HAVING sum(reserved) > 0`,
    [eventId, orderId],
  );
}

/** Each stored line has moved its stock, a cancelled order reserves nothing, and the sums are right. */
async function check(db: Pick<HandlerTransaction, 'query'>): Promise<string[]> {
  const { rows } = await db.query(
    `WITH lines AS (
       SELECT event_id, l.sku, sum(l.quantity) AS reserved, 0 AS shipped
         FROM order_placed, jsonb_to_recordset(lines) AS l (sku text, quantity integer)
        GROUP BY 1, 2
       UNION ALL
       SELECT event_id, l.sku, -sum(l.quantity), sum(l.quantity)
         FROM order_shipped, jsonb_to_recordset(lines) AS l (sku text, quantity integer)
        GROUP BY 1, 2
     ), moves AS (
       SELECT m.* FROM stock_moves m
        WHERE NOT EXISTS (SELECT FROM order_cancelled c WHERE c.event_id = m.event_id)
     )
     SELECT event_id || ' has not moved ' || sku || ' as it says' AS finding
       FROM lines l FULL JOIN moves m USING (event_id, sku)
      WHERE (l.reserved, l.shipped) IS DISTINCT FROM (m.reserved, m.shipped)
     UNION ALL
     SELECT 'the cancelled order ' || order_id || ' still reserves ' || sku
       FROM stock_moves WHERE order_id IN (SELECT order_id FROM order_cancelled)
      GROUP BY order_id, sku HAVING sum(reserved) > 0
     UNION ALL
     SELECT 'the stock of ' || sku || ' is not what its moves add up to'
       FROM stock s
       LEFT JOIN (SELECT sku, sum(reserved) AS reserved, sum(shipped) AS shipped
                    FROM stock_moves GROUP BY sku) m USING (sku)
      WHERE (s.reserved, s.shipped) <> (coalesce(m.reserved, 0), coalesce(m.shipped, 0))
      LIMIT 1000`,
  );
  return rows.map(({ finding }) => String(finding));
}
