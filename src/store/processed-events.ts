/** The tables processed_events and orders, which one statement writes; and the lookup of claims. */
import type { EventRecord } from '../log/decoded-record.ts';
import {
  amountArray,
  bigintArray,
  byteaArray,
  intArray,
  textArray,
  timestampArray,
  uuidArray,
} from './binary-arrays.ts';
import type { LogPlace } from './log-place.ts';
import type { Queryable, Transaction } from './queryable.ts';
import { prepared } from './statement-names.ts';

/**
 * The columns of `orders` that show the order's last event in the log. Within a partition that is
 * the event with the highest offset, across partitions the one that was committed last.
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

/** The columns that are sent for the events: one array for each, from the second parameter on. */
const COLUMNS = [
  column('event_id', 'uuid', ({ event }) => event.eventId, uuidArray),
  column('order_id', 'uuid', ({ event }) => event.orderId, uuidArray),
  column('user_id', 'text', ({ event }) => event.userId, textArray),
  column('total_amount', 'numeric', ({ event }) => event.totalAmount, amountArray),
  column('occurred_at', 'timestamptz', ({ event }) => event.timestamp, timestampArray),
  column('digest', 'bytea', ({ digest }) => digest, byteaArray),
  column('log_partition', 'int', ({ record }) => record.partition, intArray),
  column('log_offset', 'bigint', ({ record }) => record.offset, bigintArray),
  column('request_id', 'uuid', ({ record }) => record.requestId, uuidArray),
];
const NAMES = COLUMNS.map(({ name }) => name).join(', ');
const ARRAYS = COLUMNS.map(({ type }, i) => `$${i + 2}::${type}[]`);
const [EVENT_IDS] = ARRAYS;

function column<T>(
  name: string,
  type: string,
  read: (event: EventRecord) => T,
  encode: (values: T[]) => Buffer,
) {
  return {
    name,
    type,
    encode: (events: readonly EventRecord[]) => encode(events.map(read)),
  };
}

const INSERT = `WITH input AS (
       SELECT * FROM unnest(${ARRAYS.join(', ')}) AS e (${NAMES})
     ), stored AS (
       INSERT INTO orderonce.processed_events (log_id, ${NAMES})
       SELECT $1, ${NAMES} FROM input ORDER BY event_id
       ON CONFLICT (event_id) DO NOTHING
       RETURNING event_id, order_id, user_id, total_amount, occurred_at, log_partition, log_offset
     )`;
const project = (keeps: string) => `, totals AS (
       SELECT order_id, count(*) AS event_count, sum(total_amount) AS amount_sum,
              min(occurred_at) AS first_at, max(occurred_at) AS last_at,
              max(ARRAY[log_partition, log_offset]) AS last
         FROM stored GROUP BY order_id
     ), projected AS (
       INSERT INTO orderonce.orders AS o (order_id, user_id, total_amount, event_count, amount_sum,
         last_event_id, first_occurred_at, last_occurred_at,
         last_log_id, last_log_partition, last_log_offset)
       SELECT t.order_id, s.user_id, s.total_amount, t.event_count, t.amount_sum, s.event_id,
              t.first_at, t.last_at, $1, s.log_partition, s.log_offset
         FROM totals t
         JOIN stored s ON (s.log_partition, s.log_offset) = (t.last[1], t.last[2])
        ORDER BY t.order_id
       ON CONFLICT (order_id) DO UPDATE SET
         event_count = o.event_count + excluded.event_count,
         amount_sum = o.amount_sum + excluded.amount_sum,
         first_occurred_at = least(o.first_occurred_at, excluded.first_occurred_at),
         last_occurred_at = greatest(o.last_occurred_at, excluded.last_occurred_at),
         ${LAST_COLUMNS.map((column) => newest(column, keeps)).join(',\n         ')},
         updated_at = now()
     )`;
/** Usually all ids are new or none is. Then the count is enough, and no list of ids is returned. */
const RETURN = ` SELECT count(*)::int AS count,
       CASE WHEN count(*) BETWEEN 1 AND cardinality(${EVENT_IDS}) - 1 THEN (
         SELECT json_agg(id) FROM unnest(${EVENT_IDS}) AS id
          WHERE NOT EXISTS (SELECT FROM stored s WHERE s.event_id = id)) END AS known
  FROM stored`;
const INSERT_AND_PROJECT = prepared(INSERT + project(IS_BEHIND) + RETURN);
const INSERT_AND_PROJECT_LATE = INSERT + project(IS_LATE) + RETURN;
const INSERT_ONLY = prepared(INSERT + RETURN);

export type InsertOptions = {
  /** The table `orders` is not kept (ORDERS_PROJECTION=off). */
  readonly withoutOrders?: boolean | undefined;
  /** The events are redriven, so events that are behind them in the log may already be stored. */
  readonly isRedrive?: boolean;
};

/** The result of the insert. */
export type Inserted = {
  /** The number of rows written, as PostgreSQL counted them. */
  readonly count: number;
  /** The events whose ids were new. */
  readonly stored: readonly EventRecord[];
  /** The events whose ids stored events had taken. A later statement must read which ones. */
  readonly known: readonly EventRecord[];
};

/**
 * Inserts the events whose ids are new, and adds exactly those to `orders`, if that table is kept.
 *
 * Both inserts are in key order, so two consumers with the same ids cannot deadlock. An order may
 * occur several times in a batch, but ON CONFLICT DO UPDATE refuses to change a row twice (SQLSTATE
 * 21000). The events are therefore summed up per order first.
 *
 * @param events with different ids. If an order has events of several partitions, those of the
 * partition with the higher number count as later.
 */
export async function insertEvents(
  tx: Transaction,
  logId: number,
  events: readonly EventRecord[],
  { withoutOrders = false, isRedrive = false }: InsertOptions,
): Promise<Inserted> {
  if (events.length === 0) return { count: 0, stored: [], known: [] };
  const projecting = isRedrive ? INSERT_AND_PROJECT_LATE : INSERT_AND_PROJECT;
  const { rows } = await tx.query<{ count: number; known: string[] | null }>(
    withoutOrders ? INSERT_ONLY : projecting,
    [logId, ...COLUMNS.map(({ encode }) => encode(events))],
  );
  const { count, known } = rows[0] as { count: number; known: string[] | null };
  if (count === 0) return { count, stored: [], known: events };
  if (known === null) return { count, stored: events, known: [] };
  const ids = new Set(known);
  return {
    count,
    stored: events.filter(({ event }) => !ids.has(event.eventId)),
    known: events.filter(({ event }) => ids.has(event.eventId)),
  };
}

/** The record that has taken an event id: a stored event, or a dead letter that decoded. */
export type Claim = {
  readonly eventId: string;
  /** Hex. */
  readonly digest: string;
  readonly requestId: string | null;
  readonly logId: number;
  readonly partition: number;
  readonly offset: number;
};

const CLAIM = `event_id AS "eventId", encode(digest, 'hex') AS digest, request_id AS "requestId",
  log_id AS "logId", log_partition AS partition, log_offset AS "offset"`;

/**
 * The claims on these event ids, by id, without those of the record at `except`. To classify records it must run in a later statement than
 * the insert, since only a later statement sees rows that others committed in the meantime.
 */
export async function findClaims(
  db: Queryable,
  eventIds: readonly string[],
  except?: LogPlace,
): Promise<Map<string, Claim>> {
  if (eventIds.length === 0) return new Map();
  const { rows } = await db.query<Claim>(
    `SELECT * FROM (
       SELECT ${CLAIM} FROM orderonce.processed_events WHERE event_id = ANY ($1::uuid[])
       UNION ALL
       SELECT ${CLAIM} FROM orderonce.dead_letter_claims WHERE event_id = ANY ($1::uuid[])) taken
      WHERE $2::int IS NULL OR ("logId", partition, "offset") <> ($2, $3::int, $4::bigint)`,
    [uuidArray(eventIds), except?.logId ?? null, except?.partition ?? null, except?.offset ?? null],
  );
  // If both a stored event and a dead letter have the id, because another partition has just stored
  // it, the stored event counts. The rows are reversed, so that it comes last.
  return new Map(rows.reverse().map((claim) => [claim.eventId, claim]));
}

/** Which of these ids dead letters have taken. Such an id must not be inserted (G4). */
export async function findParkedIds(tx: Transaction, eventIds: string[]): Promise<Set<string>> {
  const { rows } = await tx.query<{ event_id: string }>(
    'SELECT event_id FROM orderonce.dead_letter_claims WHERE event_id = ANY ($1::uuid[])',
    [eventIds],
  );
  return new Set(rows.map((row) => row.event_id));
}

/**
 * One of these ids that two records have taken, one of them at this place of the log or behind it; or
 * null. Only a transaction that moves the position from there can have written that one.
 */
export async function findDoubleClaim(
  tx: Transaction,
  eventIds: readonly string[],
  from: LogPlace,
): Promise<string | null> {
  const { rows } = await tx.query<{ event_id: string }>(
    `SELECT event_id FROM (
       SELECT event_id, log_id, log_partition, log_offset
         FROM orderonce.dead_letter_claims WHERE event_id = ANY ($1::uuid[])
       UNION ALL
       SELECT event_id, log_id, log_partition, log_offset
         FROM orderonce.processed_events WHERE event_id = ANY ($1::uuid[])) taken
      GROUP BY event_id
     HAVING count(*) > 1
        AND bool_or(log_id = $2 AND log_partition = $3 AND log_offset >= $4) LIMIT 1`,
    [eventIds, from.logId, from.partition, from.offset],
  );
  return rows[0]?.event_id ?? null;
}

/** Locks the rows of these orders, as far as they exist, in key order. */
export async function lockOrders(tx: Transaction, orderIds: readonly string[]): Promise<void> {
  await tx.query(
    'SELECT FROM orderonce.orders WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id FOR UPDATE',
    [orderIds],
  );
}
