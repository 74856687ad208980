/**
 * What the questions of a proof read. Each question names relations, and a scope says which rows
 * they have: all rows for `verify`, or a part of them for the continuous proof. So both ask the
 * same questions.
 */
import type { LogPartition } from './log-place.ts';
import type { Transaction } from './queryable.ts';

/** Relations, each as the text of a table or of a subquery, with the columns of the table. */
export type Scope = {
  readonly events: string;
  readonly duplicates: string;
  readonly conflicts: string;
  readonly deadLetters: string;
  readonly gaps: string;
  /** `event_id` of the dead letters whose id a stored event must not have. */
  readonly claims: string;
  readonly orders: string;
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
  { values, types }: Pick<Scope, 'values' | 'types'>,
  sql: string,
): Promise<T[]> {
  const parameters = types.map((type, i) => `$${i + 1}::${type}`).join(', ');
  const all = types.length === 0 ? '' : `, (SELECT ${parameters}) AS parameters`;
  const { rows } = await tx.query(`SELECT q.* FROM (${sql}) q${all}`, [...values]);
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
  events: 'orderonce.processed_events',
  duplicates: 'orderonce.duplicates',
  conflicts: 'orderonce.conflicts',
  deadLetters: 'orderonce.dead_letters',
  gaps: 'orderonce.log_gaps',
  claims: 'orderonce.dead_letter_claims',
  orders: 'orderonce.orders',
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
  events: none('processed_events'),
  duplicates: none('duplicates'),
  conflicts: none('conflicts'),
  deadLetters: none('dead_letters'),
  gaps: none('log_gaps'),
  claims: none('dead_letter_claims'),
  // The table may be missing (ORDERS_PROJECTION=off); then no question reads it.
  orders: none('orders'),
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

/**
 * The rows in these ranges of offsets, and what depends on them: the orders of the stored events,
 * and the queues of the dead letters. A range that reaches OFFSETS_END includes what lies past the
 * position.
 */
export async function scopeOfRanges(
  tx: Transaction,
  ranges: readonly OffsetRange[],
): Promise<Scope> {
  const values = [
    ranges.map(({ logId }) => logId),
    ranges.map(({ partition }) => partition),
    ranges.map(({ from }) => from),
    ranges.map(({ to }) => to),
  ];
  const r = `unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[])
     AS r (range_log, range_partition, range_from, range_to)`;
  const inRange = (table: string) =>
    `(SELECT t.* FROM ${r} JOIN orderonce.${table} t ON t.log_id = range_log
         AND t.log_partition = range_partition AND t.log_offset >= range_from AND t.log_offset < range_to)`;
  const bound = (i: number, n: number) =>
    placeOf(`($2::int[])[${i + 1}]`, `($${n}::bigint[])[${i + 1}]`);
  const place = placeOf('t.log_partition', 't.log_offset');
  const places = ranges.map((_, i) => `(${place} >= ${bound(i, 3)} AND ${place} < ${bound(i, 4)})`);
  const events = `(SELECT t.* FROM orderonce.processed_events t JOIN ${r} ON t.log_id = range_log
         AND t.log_partition = range_partition AND t.log_offset >= range_from AND t.log_offset < range_to
       WHERE ${places.join(' OR ')})`;
  const deadLetters = inRange('dead_letters');
  const { rows } = await tx.query<{ orders: string | null; queues: string | null }>(
    `SELECT (SELECT array_agg(DISTINCT order_id)::text FROM ${events} e) AS orders,
            (SELECT array_agg(DISTINCT order_id)::text FROM ${deadLetters} d
              WHERE digest IS NOT NULL) AS queues`,
    values,
  );
  const { orders, queues } = rows[0] ?? { orders: null, queues: null };
  return {
    ...NOTHING,
    ...ofOrders(5),
    ...ofQueues(6),
    events,
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
       UNION SELECT e.event_id FROM ${events} e JOIN orderonce.dead_letter_claims c USING (event_id))`,
    windows: `(SELECT log_id, log_partition, greatest(start_offset, range_from) AS start_offset,
              least(next_offset, range_to) AS next_offset
         FROM ${r} JOIN (${POSITIONS}) p ON p.log_id = range_log AND p.log_partition = range_partition
        WHERE range_from < least(next_offset, range_to))`,
    values: [...values, orders ?? '{}', queues ?? '{}'],
    types: ['int[]', 'int[]', 'bigint[]', 'bigint[]', 'uuid[]', 'uuid[]'],
  };
}

/** The orders in the parameter `$n`, and what their events add up to. */
function ofOrders(n: number): Pick<Scope, 'orders' | 'sums'> {
  const { orderEventsMax } = NOTHING;
  return {
    orders: `(SELECT * FROM orderonce.orders WHERE order_id = ANY ($${n}::uuid[]))`,
    sums: `(SELECT ids.order_id, s.* FROM unnest($${n}::uuid[]) AS ids (order_id) CROSS JOIN LATERAL (
         SELECT ${SUMS} FROM (SELECT total_amount FROM orderonce.processed_events p
                               WHERE p.order_id = ids.order_id LIMIT ${orderEventsMax + 1}) e) s
        WHERE s.n > 0)`,
  };
}

/** The orders in the parameter `$n` as held ones, and the dead letters that hold them. */
function ofQueues(n: number): Pick<Scope, 'held' | 'queues'> {
  const ofThem = `WHERE order_id = ANY ($${n}::uuid[])`;
  return {
    held: `(SELECT * FROM orderonce.held_orders ${ofThem})`,
    queues: `(SELECT * FROM orderonce.dead_letter_claims ${ofThem})`,
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

/** The rows in the pages [from, to) of a table. */
export async function scopeOfPages(
  tx: Transaction,
  table: PagedTable,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Scope> {
  const pages = `(SELECT * FROM orderonce.${table} WHERE ctid >= $1::tid AND ctid < $2::tid)`;
  const values = [`(${from},0)`, `(${to},0)`];
  if (table !== 'orders' && table !== 'held_orders') {
    return { ...NOTHING, [PAGED[table]]: pages, values, types: ['tid', 'tid'] };
  }
  const { rows } = await tx.query<{ ids: string | null }>(
    `SELECT array_agg(order_id)::text AS ids FROM ${pages} t`,
    values,
  );
  const ofThem = table === 'orders' ? ofOrders(1) : ofQueues(1);
  return { ...NOTHING, ...ofThem, values: [rows[0]?.ids ?? '{}'], types: ['uuid[]'] };
}

/** All rows about one event, order or message. */
export function scopeOfId(id: string): Scope {
  const ofEvent = (table: string) => `(SELECT * FROM orderonce.${table} WHERE event_id = $1::uuid)`;
  return {
    ...NOTHING,
    ...ofQueues(2),
    ...ofOrders(2),
    events: ofEvent('processed_events'),
    duplicates: ofEvent('duplicates'),
    conflicts: ofEvent('conflicts'),
    deadLetters: ofEvent('dead_letters'),
    claims: ofEvent('dead_letter_claims'),
    outbox: '(SELECT * FROM orderonce.outbox WHERE message_id = $1::uuid)',
    values: [id, `{${id}}`],
    types: ['uuid', 'uuid[]'],
  };
}
