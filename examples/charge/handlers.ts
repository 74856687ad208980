/**
 * Charges the amount of each event to its user. It works on whole batches: three statements for any
 * number of events. An event of a blocked user cannot succeed until somebody unblocks the user. It
 * is parked, and the other events of the batch are charged.
 *
 *   HANDLERS_MODULE=examples/charge/handlers.ts HANDLERS_MIGRATIONS=examples/charge npm start
 */
import { type Handler, TerminalError } from 'orderonce/handlers';

export const handlers: Handler[] = [
  {
    name: 'charge',
    handle: async (events, tx) => {
      const users = [...new Set(events.map(({ userId }) => userId))];
      const { rows: blocked } = await tx.query(
        'SELECT user_id FROM charge_balances WHERE user_id = ANY ($1) AND is_blocked',
        [users],
      );
      if (blocked.length > 0) throw new TerminalError(`User ${blocked[0]?.user_id} is blocked`);
      const columns = [
        events.map(({ eventId }) => eventId),
        events.map(({ userId }) => userId),
        // Amounts stay decimal text on their way to numeric, so they are never rounded as floats.
        events.map(({ totalAmount }) => totalAmount),
      ];
      await tx.query(
        `INSERT INTO charge_ledger (event_id, user_id, amount)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::numeric[])`,
        columns,
      );
      await tx.query(
        `INSERT INTO charge_balances AS b (user_id, charged)
         SELECT user_id, sum(amount) FROM unnest($1::text[], $2::numeric[]) AS e (user_id, amount)
          GROUP BY user_id ORDER BY user_id
         ON CONFLICT (user_id) DO UPDATE SET charged = b.charged + excluded.charged`,
        columns.slice(1),
      );
    },
    // `orderonce verify` runs this: each stored event is charged once, and the balances add up.
    check: async (db) => {
      const { rows } = await db.query(
        `SELECT coalesce(e.event_id, l.event_id) || ' is stored or charged, not both' AS finding
           FROM processed_events e FULL JOIN charge_ledger l USING (event_id)
          WHERE e.event_id IS NULL OR l.event_id IS NULL OR e.total_amount <> l.amount
         UNION ALL
         SELECT 'the balance of ' || user_id || ' is not what the ledger adds up to'
           FROM charge_balances b
           LEFT JOIN (SELECT user_id, sum(amount) AS amount FROM charge_ledger GROUP BY user_id) l
                USING (user_id)
          WHERE b.charged <> coalesce(l.amount, 0)
          LIMIT 1000`,
      );
      return rows.map(({ finding }) => String(finding));
    },
  },
];
