/**
 * What the questions of a proof read. Each question names relations, and a scope says which rows
 * they have: all rows for `verify`, or a part of them for the continuous proof. So both ask the
 * same questions.
 */
import { IS_DATA_OF } from './event-columns.ts';
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
  /** Rows of event_data, of which each must be that of an event in `events`. */
  readonly data: string;
  /** Whether any event may have data. */
  readonly hasData: boolean;
  /** What follows LEFT JOIN: `d`, the row of event_data of a row of processed_events, if it has one. */
  readonly dataOf: (alias: string) => string;
  /**
   * What follows FROM: `o`, rows of the table orders, each with `e`, what `sumsOf` says of its stored
   * events. `o` is missing where only events exist, and `e` where none do. Orders with many events may
   * be left out.
   * @param sumsOf SQL: a select from the given events `p` by `orderId`; it may read `o` as well.
   */
  readonly effects: (sumsOf: (events: string, orderId: string) => string) => string;
  /** Of orders with more events than this `e` has a part only. */
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
  scope: Scope,
  sql: string,
): Promise<T[]> {
  const { rows } = await tx.query(queryIn(scope, sql), [...scope.values]);
  return rows as T[];
}

/** SQL: a query in a scope. Its parameters are the scope's values. */
export function queryIn({ common, types }: Scope, sql: string): string {
  const parameters = types.map((type, i) => `$${i + 1}::${type}`).join(', ');
  const all = types.length === 0 ? '' : `, (SELECT ${parameters}) AS parameters`;
  const withCommon = common === '' ? '' : `WITH ${common} `;
  return `${withCommon}SELECT q.* FROM (${sql}) q${all}`;
}

/** The current positions, and the closed ones. */
export const POSITIONS = `
  SELECT topic, log_id, log_partition, start_offset, next_offset, false AS closed FROM orderonce.consumer_positions
  UNION ALL SELECT topic, log_id, log_partition, start_offset, next_offset, true FROM orderonce.closed_positions`;

/** All rows. */
export const WHOLE: Scope = {
  common: '',
  events: 'orderonce.processed_events',
  duplicates: 'orderonce.duplicates',
  conflicts: 'orderonce.conflicts',
  deadLetters: 'orderonce.dead_letters',
  gaps: 'orderonce.log_gaps',
  claims: 'orderonce.dead_letter_claims',
  data: 'orderonce.event_data',
  hasData: true,
  dataOf: (alias) => `orderonce.event_data d ON ${IS_DATA_OF(alias)}`,
  effects: (sumsOf) =>
    `orderonce.orders o FULL JOIN (${sumsOf(
      'orderonce.processed_events p LEFT JOIN orderonce.orders o USING (order_id)',
      'p.order_id',
    )}) e ON e.order_id = o.order_id`,
  orderEventsMax: Number.MAX_SAFE_INTEGER,
  held: 'orderonce.held_orders',
  queues: 'orderonce.dead_letter_claims',
  outbox: 'orderonce.outbox',
  windows: `(${POSITIONS})`,
  values: [],
  types: [],
};

/** The scope of a deployment that has no typed events: no question looks for their data. */
export const withoutData = (scope: Scope): Scope => ({
  ...scope,
  data: '(SELECT * FROM orderonce.event_data WHERE false)',
  hasData: false,
  dataOf: () => '(SELECT NULL::int AS log_id) d ON true',
});
