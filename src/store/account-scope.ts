/**
 * What the questions of a proof read. Each question names relations, and a scope says which rows
 * they have: all rows for `verify`, or a part of them for the continuous proof. So both ask the
 * same questions.
 */
import type { LogPartition } from './log-place.ts';
import type { Transaction } from './queryable.ts';

/**
 * Relations, each as the text of a table or of a subquery, with the columns of the table.
 * What several of them share is in `common`, so that it is read once for all questions of a statement.
 */
export type Scope = {
  /** Common table expressions, as the text behind WITH; empty if there are none. */
  readonly common: string;
  readonly events: string;
  readonly duplicates: string;
  readonly conflicts: string;
  readonly deadLetters: string;
  readonly gaps: string;
  /** `event_id` of the dead letters whose id a stored event must not have. */
  readonly claims: string;
  readonly orders: string;
  /** Stored events, with all that those orders show as their last one. */
  readonly lastEvents: string;
  /** `order_id`, `n` and `amount`: what the stored events of those orders add up to. */
  readonly sums: string;
  /** Orders with more events than this are not judged. */
  readonly orderEventsMax: number;
  readonly held: string;
  /** The dead letters that hold those orders. */
  readonly queues: string;
  readonly outbox: string;
  /** Offsets of which each must have exactly one outcome: partitions with start and end. */
  readonly windows: string;
  /** The parameters of the relations, and their types. */
  readonly values: readonly unknown[];
  readonly types: readonly string[];
};

/**
 * Asks in a scope. A question may use none of the scope's parameters, so that PostgreSQL would not
 * know their types; they are all named here.
 * @param sql a query without parameters of its own.
 */
export async function askIn<T extends object>(
  tx: Transaction,
  { common, values, types }: Pick<Scope, 'common' | 'values' | 'types'>,
  sql: string,
): Promise<T[]> {
  const parameters = types.map((type, i) => `$${i + 1}::${type}`).join(', ');
  const all = types.length === 0 ? '' : `, (SELECT ${parameters}) AS parameters`;
  const withCommon = common === '' ? '' : `WITH ${common} `;
  const { rows } = await tx.query(`${withCommon}SELECT q.* FROM (${sql}) q${all}`, [...values]);
  return rows as T[];
}

/** The current positions, and the closed ones. */
export const POSITIONS = `
  SELECT topic, log_id, log_partition, start_offset, next_offset, false AS closed FROM orderonce.consumer_positions
  UNION ALL SELECT topic, log_id, log_partition, start_offset, next_offset, true FROM orderonce.closed_positions`;

/** What an order's events add up to. */
const SUMS = 'count(*) AS n, sum(total_amount) AS amount';

/** All rows. */
export const WHOLE: Scope = {
  common: '',
  events: 'orderonce.processed_events',
  duplicates: 'orderonce.duplicates',
  conflicts: 'orderonce.conflicts',
  deadLetters: 'orderonce.dead_letters',
  gaps: 'orderonce.log_gaps',
  claims: 'orderonce.dead_letter_claims',
  orders: 'orderonce.orders',
  lastEvents: 'orderonce.processed_events',
  sums: `(SELECT order_id, ${SUMS} FROM orderonce.processed_events GROUP BY order_id)`,
  orderEventsMax: Number.MAX_SAFE_INTEGER,
  held: 'orderonce.held_orders',
  queues: 'orderonce.dead_letter_claims',
  outbox: 'orderonce.outbox',
  windows: `(${POSITIONS})`,
  values: [],
  types: [],
};

const none = (table: string) => `(SELECT * FROM orderonce.${table} WHERE false)`;

/** No rows. Parts of the tables are scopes that replace some of these relations. */
const NOTHING: Scope = {
  common: '',
  events: none('processed_events'),
  duplicates: none('duplicates'),
  conflicts: none('conflicts'),
  deadLetters: none('dead_letters'),
  gaps: none('log_gaps'),
  claims: none('dead_letter_claims'),
  // The table may be missing (ORDERS_PROJECTION=off); then no question reads it.
  orders: none('orders'),
  lastEvents: 'orderonce.processed_events',
  sums: `(SELECT order_id, 0 AS n, total_amount AS amount FROM orderonce.processed_events WHERE false)`,
  /** Each new event of an order makes the proof read all its events again. */
  orderEventsMax: 5000,
  held: none('held_orders'),
  queues: none('dead_letter_claims'),
  outbox: none('outbox'),
  windows: none('consumer_positions'),
  values: [],
  types: [],
};

/** SQL: what the index processed_events_place holds, for a partition and an offset. */
const placeOf = (partition: string, offset: string) => `((${partition}::bigint << 44) + ${offset})`;
/** No offset is as large: in the index, the next partition begins here. */
export const OFFSETS_END = 2 ** 44;

/** The offsets [from, to) of a partition. */
export type OffsetRange = LogPartition & { readonly from: number; readonly to: number };

/** The relations that follow from the orders in `touched`. LIMIT keeps the planner to the index. */
const OF_TOUCHED: Pick<Scope, 'orders' | 'sums'> = {
  orders: `(SELECT o.* FROM touched CROSS JOIN LATERAL (
         SELECT * FROM orderonce.orders x WHERE x.order_id = touched.order_id LIMIT 1) o)`,
  sums: `(SELECT touched.order_id, s.* FROM touched CROSS JOIN LATERAL (
         SELECT ${SUMS} FROM (SELECT total_amount FROM orderonce.processed_events x
                               WHERE x.order_id = touched.order_id
                               LIMIT ${NOTHING.orderEventsMax + 1}) e) s
        WHERE s.n > 0)`,
};

/** The relations that follow from the orders in `queued`. */
const OF_QUEUED: Pick<Scope, 'held' | 'queues'> = {
  held: '(SELECT h.* FROM queued JOIN orderonce.held_orders h USING (order_id))',
  queues: '(SELECT d.* FROM queued JOIN orderonce.dead_letter_claims d USING (order_id))',
};

/**
 * The rows in these ranges of offsets, and what depends on them: the orders of the stored events,
 * and the queues of the dead letters. A range that reaches OFFSETS_END includes what lies past the
 * position.
 * @param withoutOrders ORDERS_PROJECTION=off: the table `orders` may be missing.
 */
export function scopeOfRanges(ranges: readonly OffsetRange[], withoutOrders = false): Scope {
  const r = `unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[])
     AS r (range_log, range_partition, range_from, range_to)`;
  const isInRange = `t.log_id = range_log AND t.log_partition = range_partition
         AND t.log_offset >= range_from AND t.log_offset < range_to`;
  const inRange = (table: string) =>
    `(SELECT t.* FROM ${r} JOIN orderonce.${table} t ON ${isInRange})`;
  const deadLetters = inRange('dead_letters');
  const bound = (i: number, n: number) =>
    placeOf(`($2::int[])[${i + 1}]`, `($${n}::bigint[])[${i + 1}]`);
  const place = placeOf('t.log_partition', 't.log_offset');
  const places = ranges.map((_, i) => `(${place} >= ${bound(i, 3)} AND ${place} < ${bound(i, 4)})`);
  return {
    ...NOTHING,
    ...OF_TOUCHED,
    ...OF_QUEUED,
    common: `events AS MATERIALIZED (
         SELECT t.* FROM orderonce.processed_events t JOIN ${r} ON ${isInRange}
          WHERE ${places.join(' OR ')}
       ), touched AS MATERIALIZED (SELECT DISTINCT order_id FROM events
       ), queued AS MATERIALIZED (
         SELECT DISTINCT order_id FROM ${deadLetters} d WHERE digest IS NOT NULL
       )${withoutOrders ? '' : `, ours AS MATERIALIZED (SELECT * FROM ${OF_TOUCHED.orders} o)`}`,
    events: 'events',
    orders: 'ours',
    // Most of them are among the events; to look up the others costs as much as to read an order.
    lastEvents: `(SELECT * FROM events UNION ALL
       SELECT p.* FROM ours o JOIN orderonce.processed_events p ON p.event_id = o.last_event_id
        WHERE NOT EXISTS (SELECT FROM events e WHERE e.event_id = o.last_event_id))`,
    duplicates: inRange('duplicates'),
    conflicts: inRange('conflicts'),
    deadLetters,
    // The last gap that begins at or before the range may reach into it.
    gaps: `(SELECT t.* FROM ${r} CROSS JOIN LATERAL (
         SELECT g.* FROM orderonce.log_gaps g
          WHERE g.log_id = range_log AND g.log_partition = range_partition AND g.to_offset > range_from
            AND g.from_offset < range_to AND g.from_offset >= coalesce((
              SELECT max(from_offset) FROM orderonce.log_gaps b
               WHERE b.log_id = range_log AND b.log_partition = range_partition
                 AND b.from_offset <= range_from), range_from)) t)`,
    claims: `(SELECT event_id FROM ${deadLetters} d WHERE digest IS NOT NULL
       UNION SELECT e.event_id FROM events e JOIN orderonce.dead_letter_claims c USING (event_id))`,
    windows: `(SELECT log_id, log_partition, greatest(start_offset, range_from) AS start_offset,
              least(next_offset, range_to) AS next_offset
         FROM ${r} JOIN (${POSITIONS}) p ON p.log_id = range_log AND p.log_partition = range_partition
        WHERE range_from < least(next_offset, range_to))`,
    values: [
      ranges.map(({ logId }) => logId),
      ranges.map(({ partition }) => partition),
      ranges.map(({ from }) => from),
      ranges.map(({ to }) => to),
    ],
    types: ['int[]', 'int[]', 'bigint[]', 'bigint[]'],
  };
}

/** The tables whose pages the patrol reads, and how each is named in a scope. */
export const PAGED = {
  processed_events: 'events',
  duplicates: 'duplicates',
  conflicts: 'conflicts',
  dead_letters: 'deadLetters',
  log_gaps: 'gaps',
  orders: 'orders',
  held_orders: 'held',
  outbox: 'outbox',
} as const;
export type PagedTable = keyof typeof PAGED;

/** The rows in the pages [from, to) of a table; of orders, with all that depends on them. */
export function scopeOfPages(
  table: PagedTable,
  { from, to }: { readonly from: number; readonly to: number },
): Scope {
  const pages = (columns: string) =>
    `SELECT ${columns} FROM orderonce.${table} WHERE ctid >= $1::tid AND ctid < $2::tid`;
  const own = { values: [`(${from},0)`, `(${to},0)`], types: ['tid', 'tid'] };
  const ids = `AS MATERIALIZED (${pages('order_id')})`;
  if (table === 'orders') return { ...NOTHING, ...OF_TOUCHED, ...own, common: `touched ${ids}` };
  if (table === 'held_orders') return { ...NOTHING, ...OF_QUEUED, ...own, common: `queued ${ids}` };
  return { ...NOTHING, ...own, [PAGED[table]]: `(${pages('*')})` };
}

/** All rows about one event, order or message. */
export function scopeOfId(id: string): Scope {
  const ofEvent = (table: string) => `(SELECT * FROM orderonce.${table} WHERE event_id = $1::uuid)`;
  return {
    ...NOTHING,
    ...OF_TOUCHED,
    ...OF_QUEUED,
    common: 'touched AS (SELECT $1::uuid AS order_id), queued AS (SELECT $1::uuid AS order_id)',
    events: ofEvent('processed_events'),
    duplicates: ofEvent('duplicates'),
    conflicts: ofEvent('conflicts'),
    deadLetters: ofEvent('dead_letters'),
    claims: ofEvent('dead_letter_claims'),
    outbox: '(SELECT * FROM orderonce.outbox WHERE message_id = $1::uuid)',
    values: [id],
    types: ['uuid'],
  };
}
