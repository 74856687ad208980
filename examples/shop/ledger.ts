/** The ledger: a row for each payment and refund, and a balance per currency. */
import events from './events.ts';

/** Works on whole batches: two statements for any number of events. */
export const ledger = events.on(
  ['order.paid', 'order.refunded'],
  async (batch, tx) => {
    const columns = [
      batch.map(({ eventId }) => eventId),
      batch.map(({ orderId }) => orderId),
      // A refund of version 1 has a currency here as well: it was lifted to version 2.
      batch.map(({ data }) => data.currency),
      // Amounts stay decimal text on their way to numeric. That of a refund is negative.
      batch.map(({ totalAmount }) => totalAmount),
    ];
    await tx.query(
      `INSERT INTO ledger (event_id, order_id, currency, amount)
       SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[])`,
      columns,
    );
    // In key order, so that two consumers cannot lock the same rows crosswise.
    await tx.query(
      `INSERT INTO ledger_balances AS b (currency, balance)
       SELECT currency, sum(amount) FROM unnest($1::text[], $2::numeric[]) AS e (currency, amount)
        GROUP BY currency ORDER BY currency
       ON CONFLICT (currency) DO UPDATE SET balance = b.balance + excluded.balance`,
      columns.slice(2),
    );
  },
  {
    name: 'ledger',
    // `orderonce verify` runs this. Each declared type has a view with its name. Views show data as
    // it was sent, so refunds of version 1 have no currency there.
    check: async (db) => {
      const { rows } = await db.query(
        `SELECT event_id || ' is stored or in the ledger, not both' AS finding
           FROM (SELECT event_id, total_amount, currency FROM order_paid
                 UNION ALL
                 SELECT event_id, total_amount, coalesce(currency, 'EUR') FROM order_refunded) e
           FULL JOIN ledger l USING (event_id)
          WHERE (e.total_amount, e.currency) IS DISTINCT FROM (l.amount, l.currency)
         UNION ALL
         SELECT 'the balance in ' || currency || ' is not what the ledger adds up to'
           FROM ledger_balances b
           FULL JOIN (SELECT currency, sum(amount) AS sum FROM ledger GROUP BY currency) l
                USING (currency)
          WHERE b.balance IS DISTINCT FROM l.sum
          LIMIT 1000`,
      );
      return rows.map(({ finding }) => String(finding));
    },
  },
);
