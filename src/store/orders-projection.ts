/**
 * The projection `orders`: the sums of each order, kept by the statement that stores its events. A
 * deployment with ORDERS_PROJECTION=off has no projection, and then this file has no part in it.
 */

import type { Scope } from './account-scope.ts';
import type { Transaction } from './queryable.ts';
import type { Question } from './questions.ts';

/** Something that the statement which stores events keeps in addition. */
export type Projection = {
  /**
   * SQL: the part of the statement that adds the rows of `stored` to the projection. A row of
   * `stored` has the place and the envelope of an event, and its `currency` if `hasCurrency`.
   * `isLate`: the events are redriven, so later ones of the same order may be stored already.
   */
  readonly sql: (options: { readonly isLate: boolean; readonly hasCurrency: boolean }) => string;
  /** Locks what this statement would change for these orders, in key order. */
  readonly lock: (tx: Transaction, orderIds: readonly string[]) => Promise<void>;
  /** What `verify` and the continuous proof ask about it. */
  readonly questions: readonly Question[];
};

/**
 * The columns that show the order's last event in the log. Within a partition that is the event with
 * the highest offset, across partitions the one that was committed last.
 *
 * Batches are in log order, so there it is enough to compare with the event that the row shows. A
 * redriven event is older: it is the last only if no stored event of the order is behind it in its
 * own partition.
 */
const LAST_COLUMNS = [
  'user_id',
  'total_amount',
  'last_event_id',
  'last_log_id',
  'last_log_partition',
  'last_log_offset',
];
const IS_BEHIND = `o.last_log_id = excluded.last_log_id
             AND o.last_log_partition = excluded.last_log_partition
             AND o.last_log_offset > excluded.last_log_offset`;
const IS_LATE = `EXISTS (SELECT FROM orderonce.processed_events p WHERE p.order_id = o.order_id
             AND p.log_id = excluded.last_log_id AND p.log_partition = excluded.last_log_partition
             AND p.log_offset > excluded.last_log_offset)`;
const newest = (column: string, keeps: string) =>
  `${column} = CASE WHEN ${keeps} THEN o.${column} ELSE excluded.${column} END`;

/** Sums by currency. Amounts in different currencies are never added, nor those without one. */
const SUMS_OF_BATCH = `, sums AS (
       SELECT order_id, jsonb_object_agg(currency, amount) AS amount_sums FROM (
         SELECT order_id, currency, sum(total_amount) AS amount FROM stored
          WHERE currency IS NOT NULL AND total_amount IS NOT NULL GROUP BY 1, 2) each
        GROUP BY 1
     )`;
const MERGED_SUMS = `CASE WHEN excluded.amount_sums IS NULL THEN o.amount_sums ELSE (
           SELECT jsonb_object_agg(key, amount) FROM (
             SELECT key, sum(value::numeric) AS amount FROM (
               SELECT * FROM jsonb_each_text(coalesce(o.amount_sums, '{}'))
               UNION ALL SELECT * FROM jsonb_each_text(excluded.amount_sums)) both_sums
              GROUP BY key) each) END`;

function sql({ isLate, hasCurrency }: { readonly isLate: boolean; readonly hasCurrency: boolean }) {
  const amount = hasCurrency
    ? 'sum(total_amount) FILTER (WHERE currency IS NULL)'
    : 'sum(total_amount)';
  return `, totals AS (
       SELECT order_id, count(*) AS event_count, coalesce(${amount}, 0) AS amount_sum,
              min(occurred_at) AS first_at, max(occurred_at) AS last_at,
              max(ARRAY[log_partition, log_offset]) AS last
         FROM stored GROUP BY order_id
     )${hasCurrency ? SUMS_OF_BATCH : ''}, projected AS (
       INSERT INTO orderonce.orders AS o (order_id, user_id, total_amount, event_count, amount_sum,
         ${hasCurrency ? 'amount_sums, ' : ''}last_event_id, first_occurred_at, last_occurred_at,
         last_log_id, last_log_partition, last_log_offset)
       SELECT t.order_id, s.user_id, s.total_amount, t.event_count, t.amount_sum,
              ${hasCurrency ? 'sums.amount_sums, ' : ''}s.event_id,
              t.first_at, t.last_at, $1, s.log_partition, s.log_offset
         FROM totals t
         JOIN stored s ON (s.log_partition, s.log_offset) = (t.last[1], t.last[2])
         ${hasCurrency ? 'LEFT JOIN sums ON sums.order_id = t.order_id' : ''}
        ORDER BY t.order_id
       ON CONFLICT (order_id) DO UPDATE SET
         event_count = o.event_count + excluded.event_count,
         amount_sum = o.amount_sum + excluded.amount_sum,
         ${hasCurrency ? `amount_sums = ${MERGED_SUMS},` : ''}
         first_occurred_at = least(o.first_occurred_at, excluded.first_occurred_at),
         last_occurred_at = greatest(o.last_occurred_at, excluded.last_occurred_at),
         ${LAST_COLUMNS.map((column) => newest(column, isLate ? IS_LATE : IS_BEHIND)).join(',\n         ')},
         updated_at = now()
     )`;
}

/** Locks the rows of these orders, as far as they exist, in key order. */
async function lock(tx: Transaction, orderIds: readonly string[]): Promise<void> {
  await tx.query(
    'SELECT FROM orderonce.orders WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id FOR UPDATE',
    [orderIds],
  );
}

/** SQL: the currency of an event, from its row of event_data. Undeclared text counts as well. */
const CURRENCY = `CASE WHEN jsonb_typeof(d.data -> 'currency') = 'string' THEN d.data ->> 'currency' END`;
/** SQL: whether an event `p` is the one that the row `o` shows as its last, with its values. */
const IS_SHOWN = `(p.event_id = o.last_event_id AND p.order_id = o.order_id AND p.user_id = o.user_id
               AND p.log_id = o.last_log_id AND p.log_partition = o.last_log_partition
               AND p.log_offset = o.last_log_offset
               AND p.total_amount IS NOT DISTINCT FROM o.total_amount)`;
const OF_EVENTS = `count(*) AS n, sum(p.total_amount) AS amount,
                    bool_or(${IS_SHOWN}) AS is_shown,
                    bool_or(p.log_id = o.last_log_id AND p.log_partition = o.last_log_partition
                            AND p.log_offset > o.last_log_offset) AS is_behind`;
/**
 * SQL: what the events of each order add up to, and what they say of the event that `o` shows.
 * Without data no event has a currency, and a sum by currency would cost half as much again.
 */
const sumsOf =
  ({ hasData, dataOf }: Scope) =>
  (events: string, orderId: string) =>
    hasData
      ? `SELECT order_id, sum(n)::bigint AS n, sum(amount) FILTER (WHERE currency IS NULL) AS amount,
              jsonb_object_agg(currency, amount)
                FILTER (WHERE currency IS NOT NULL AND amount IS NOT NULL) AS sums,
              bool_or(is_shown) AS is_shown, bool_or(is_behind) AS is_behind
         FROM (SELECT ${orderId} AS order_id, ${CURRENCY} AS currency, ${OF_EVENTS}
                 FROM ${events} LEFT JOIN ${dataOf('p')} GROUP BY 1, 2) each
        GROUP BY order_id`
      : `SELECT ${orderId} AS order_id, ${OF_EVENTS}, NULL::jsonb AS sums FROM ${events} GROUP BY 1`;

/** SQL: the member of a JSON object of numbers; 0 if it has none, or is no such object. */
const MEMBER = (object: string) =>
  `coalesce(CASE WHEN jsonb_typeof(${object} -> k) = 'number' THEN (${object} -> k)::numeric END, 0)`;
const KEYS = (object: string) =>
  `SELECT jsonb_object_keys(CASE WHEN jsonb_typeof(${object}) = 'object' THEN ${object} ELSE '{}' END)`;
/** SQL: by how much an order is off, which stays the same when further events are added properly. */
const OFF_BY = `concat_ws(' ', coalesce(event_count, 0) - coalesce(n, 0), coalesce(amount_sum, 0) - amount,
                 (SELECT string_agg(k || ' ' || (${MEMBER('amount_sums')} - ${MEMBER('sums')}), ' ' ORDER BY k)
                    FROM (${KEYS('amount_sums')} UNION ${KEYS('sums')}) AS each_key (k)))`;

/**
 * Both kinds are found by one look at the events of an order, because that look is most of what the
 * continuous proof costs. An order with more events than the look includes may show one of the others.
 * A finding may name an order that has neither a row nor events any more.
 */
const QUESTIONS: readonly Question[] = [
  {
    label: 'orders',
    sql: (scope) => `
          SELECT f.kind, order_id AS id, f.message, f.evidence FROM (
            SELECT coalesce(o.order_id, e.order_id) AS order_id, o.event_count, o.amount_sum, o.amount_sums,
                   e.n, coalesce(e.amount, 0) AS amount, e.sums,
                   coalesce(e.n, 0) <= ${scope.orderEventsMax} AND (
                     o.event_count IS DISTINCT FROM e.n OR o.amount_sum IS DISTINCT FROM coalesce(e.amount, 0)
                     OR o.amount_sums IS DISTINCT FROM e.sums) AS is_off,
                   o.order_id IS NOT NULL AND (
                     e.is_behind IS TRUE OR (e.is_shown IS NOT TRUE AND NOT EXISTS (
                       SELECT FROM orderonce.processed_events p WHERE ${IS_SHOWN}))) AS shows_other
              FROM ${scope.effects(sumsOf(scope))}) checked
          CROSS JOIN LATERAL (VALUES
            ('effect', is_off, 'orders says ' || coalesce(event_count || ' events, ' || amount_sum
                   || coalesce(', ' || amount_sums::text, ''), 'nothing') ||
                 '; processed_events says ' || coalesce(n || ' events, ' || amount
                   || coalesce(', ' || sums::text, ''), 'nothing'), ${OFF_BY}),
            ('last event', shows_other, 'does not show the last event of the log', NULL)
          ) f (kind, is_found, message, evidence)
          WHERE (is_off OR shows_other) AND f.is_found AND order_id IS NOT NULL`,
  },
];

export const ORDERS: Projection = { sql, lock, questions: QUESTIONS };
