/** Which orders are held, and by what. held-orders.ts locks and changes the rows. */
import { COUNTED_MAX, type Counted, counted } from './capped.ts';
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

/** How many orders are held, and since when the first one is; null if none is. */
export async function countHeldOrders(
  db: Queryable,
): Promise<{ readonly held: Counted; readonly since: string | null }> {
  const { rows } = await db.query<{ n: number; since: string | null }>(
    `SELECT count(*) AS n, ${UTC('min(held_since)')} AS since
       FROM (SELECT held_since FROM orderonce.held_orders LIMIT ${COUNTED_MAX + 1}) held`,
  );
  return { held: counted(rows[0]?.n ?? 0), since: rows[0]?.since ?? null };
}

/** The states of an order's dead letters; zeros if it has none. */
export async function countOrderLetters(
  db: Queryable,
  orderId: string,
): Promise<{ parked: number; waiting: number; discarded: number; since: string | null }> {
  const { rows } = await db.query<{
    parked: number;
    waiting: number;
    discarded: number;
    since: string | null;
  }>(
    `SELECT count(*) FILTER (WHERE state = 'parked') AS parked,
            count(*) FILTER (WHERE state = 'waiting') AS waiting,
            count(*) FILTER (WHERE state = 'discarded') AS discarded,
            coalesce((SELECT ${UTC('held_since')} FROM orderonce.held_orders WHERE order_id = $1),
                     ${UTC("min(parked_at) FILTER (WHERE state <> 'discarded')")}) AS since
       FROM orderonce.dead_letter_claims WHERE order_id = $1`,
    [orderId],
  );
  return rows[0] ?? { parked: 0, waiting: 0, discarded: 0, since: null };
}
