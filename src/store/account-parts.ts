/**
 * Scopes of parts of the account, for the continuous proof: ranges of offsets, pages of a table, or
 * the rows about one id.
 */
import { POSITIONS, type Scope } from './account-scope.ts';
import { IS_DATA_OF } from './event-columns.ts';
import type { LogPartition } from './log-place.ts';

const none = (table: string) => `(SELECT * FROM orderonce.${table} WHERE false)`;

/** Each look at an order makes the proof read all its events again. */
const ORDER_EVENTS_MAX = 5000;
/** Orders with more events take turns: of those in a range, one in HOT_TURNS is looked at. */
const HOT_EVENTS = 30;
/** A power of two. */
const HOT_TURNS = 16;

/**
 * The effects of the orders in the relation `touched`. LIMIT keeps the planner to the index.
 * @param turn SQL: which of the orders with many events are looked at; NULL for all.
 */
function effectsOf(touched: string, turn = 'NULL::bigint'): Scope['effects'] {
  return (sumsOf) => `${touched} LEFT JOIN LATERAL (
         SELECT * FROM orderonce.orders x WHERE x.order_id = touched.order_id LIMIT 1) o ON true
       JOIN LATERAL (SELECT ${turn} AS turn) due ON turn IS NULL
         OR coalesce(o.event_count, 0) <= ${HOT_EVENTS}
         OR (hashtextextended(touched.order_id::text, 0) # turn) & ${HOT_TURNS - 1} = 0
       LEFT JOIN LATERAL (${sumsOf(
         `(SELECT * FROM orderonce.processed_events x WHERE x.order_id = touched.order_id
            LIMIT ${ORDER_EVENTS_MAX + 1}) p`,
         // Grouped by what is constant there, they need not be sorted.
         'touched.order_id',
       )}) e ON true`;
}
const OF_TOUCHED = { effects: effectsOf('touched') };

/** No rows. Parts of the tables are scopes that replace some of these relations. */
const NOTHING: Scope = {
  common: '',
  events: none('processed_events'),
  duplicates: none('duplicates'),
  conflicts: none('conflicts'),
  deadLetters: none('dead_letters'),
  gaps: none('log_gaps'),
  claims: none('dead_letter_claims'),
  data: none('event_data'),
  hasData: true,
  // LIMIT keeps the planner to the index.
  dataOf: (alias) => `LATERAL (
         SELECT * FROM orderonce.event_data d WHERE ${IS_DATA_OF(alias)} LIMIT 1) d ON true`,
  effects: effectsOf('(SELECT NULL::uuid AS order_id WHERE false) touched'),
  orderEventsMax: ORDER_EVENTS_MAX,
  held: none('held_orders'),
  queues: none('dead_letter_claims'),
  outbox: none('outbox'),
  windows: none('consumer_positions'),
  values: [],
  types: [],
};

/** How many rows of event_data outside of all positions are examined. */
const STRAYS_MAX = 1000;
/** In how many gaps before a range one is looked for that reaches into it. */
const GAPS_BEFORE = 100;
const INT_MAX = 2 ** 31 - 1;

/** SQL: what the index processed_events_place holds, for a partition and an offset. */
const placeOf = (partition: string, offset: string) => `((${partition}::bigint << 44) + ${offset})`;
/** No offset is as large: in the index, the next partition begins here. */
export const OFFSETS_END = 2 ** 44;

/** The offsets [from, to) of a partition. */
export type OffsetRange = LogPartition & { readonly from: number; readonly to: number };

/** The relations that follow from the orders in `queued`. */
const OF_QUEUED: Pick<Scope, 'held' | 'queues'> = {
  held: '(SELECT h.* FROM queued JOIN orderonce.held_orders h USING (order_id))',
  queues: '(SELECT d.* FROM queued JOIN orderonce.dead_letter_claims d USING (order_id))',
};

/**
 * The rows in these ranges of offsets, and what depends on them: the orders of the stored events,
 * and the queues of the dead letters. A range that reaches OFFSETS_END includes what lies past the
 * position.
 * @param turn a number. Orders with many events, which have events in most ranges, take turns by it;
 * scopeOfPages has all of them. null: all are looked at.
 */
export function scopeOfRanges(ranges: readonly OffsetRange[], turn: number | null = null): Scope {
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
  const places = ranges.map(
    (_, i) =>
      `(t.log_id = ($1::int[])[${i + 1}] AND ${place} >= ${bound(i, 3)} AND ${place} < ${bound(i, 4)})`,
  );
  return {
    ...NOTHING,
    ...OF_QUEUED,
    effects: effectsOf('touched', '$5::bigint'),
    common: `events AS MATERIALIZED (
         SELECT t.* FROM orderonce.processed_events t WHERE ${places.join(' OR ')}
       ), windows AS MATERIALIZED (
         SELECT log_id, log_partition, greatest(start_offset, range_from) AS start_offset,
                least(next_offset, range_to) AS next_offset
           FROM ${r} JOIN (${POSITIONS}) p ON p.log_id = range_log AND p.log_partition = range_partition
          WHERE range_from < least(next_offset, range_to)
       ), touched AS MATERIALIZED (
         SELECT DISTINCT order_id FROM events ORDER BY order_id
       ), queued AS MATERIALIZED (
         SELECT DISTINCT order_id FROM ${deadLetters} d WHERE digest IS NOT NULL
       )`,
    events: 'events',
    data: inRange('event_data'),
    duplicates: inRange('duplicates'),
    conflicts: inRange('conflicts'),
    deadLetters,
    // A gap that begins before the range may reach into it, and others may lie between if it was widened.
    gaps: `(SELECT t.* FROM ${r} CROSS JOIN LATERAL (
         (SELECT * FROM orderonce.log_gaps g
           WHERE g.log_id = range_log AND g.log_partition = range_partition
             AND g.from_offset >= range_from AND g.from_offset < range_to)
         UNION ALL SELECT * FROM (
           SELECT * FROM orderonce.log_gaps g
            WHERE g.log_id = range_log AND g.log_partition = range_partition AND g.from_offset < range_from
            ORDER BY g.from_offset DESC LIMIT ${GAPS_BEFORE}) before
          WHERE to_offset > range_from) t)`,
    claims: `(SELECT event_id FROM ${deadLetters} d WHERE digest IS NOT NULL
       UNION SELECT e.event_id FROM events e JOIN orderonce.dead_letter_claims c USING (event_id))`,
    windows: 'windows',
    values: [
      ranges.map(({ logId }) => logId),
      ranges.map(({ partition }) => partition),
      ranges.map(({ from }) => from),
      ranges.map(({ to }) => to),
      turn,
    ],
    types: ['int[]', 'int[]', 'bigint[]', 'bigint[]', 'bigint'],
  };
}

/** The tables whose pages the patrol reads, and how each is named in a scope. */
const PAGED = {
  processed_events: 'events',
  duplicates: 'duplicates',
  conflicts: 'conflicts',
  dead_letters: 'deadLetters',
  log_gaps: 'gaps',
  orders: 'effects',
  held_orders: 'held',
  outbox: 'outbox',
} as const;
export type PagedTable = keyof typeof PAGED;

/** What a round of the patrol visits after the segments, in this order. */
export const PARTS: readonly (PagedTable | 'event_data')[] = [
  ...(Object.keys(PAGED) as PagedTable[]),
  'event_data',
];

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

/**
 * The data at places that no position covers. The table event_data is found by place, so all of it is
 * read at once; the other data is among the rows of ranges.
 */
export function scopeOfStrayData(): Scope {
  const place = 'log_id, log_partition, log_offset';
  return {
    ...NOTHING,
    common: `ends AS (
         SELECT log_id, log_partition, start_offset, next_offset FROM (${POSITIONS}) p
         UNION ALL SELECT ${INT_MAX}, ${INT_MAX}, 0, 0
       ), uncovered AS (
         SELECT lag(log_id, 1, -1) OVER w AS log_a, lag(log_partition, 1, -1) OVER w AS partition_a,
                lag(next_offset, 1, 0::bigint) OVER w AS offset_a,
                log_id AS log_b, log_partition AS partition_b, start_offset AS offset_b
           FROM ends WINDOW w AS (ORDER BY log_id, log_partition)
       ), strays AS MATERIALIZED (
         SELECT d.* FROM uncovered CROSS JOIN LATERAL (
           SELECT * FROM orderonce.event_data
            WHERE (${place}) >= (log_a, partition_a, offset_a)
              AND (${place}) < (log_b, partition_b, offset_b) LIMIT ${STRAYS_MAX}) d LIMIT ${STRAYS_MAX})`,
    data: 'strays',
    events: `(SELECT p.* FROM strays d JOIN orderonce.processed_events p
         ON ${IS_DATA_OF('p')}
        AND ${placeOf('p.log_partition', 'p.log_offset')} = ${placeOf('d.log_partition', 'd.log_offset')})`,
  };
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
    data: `(SELECT d.* FROM ${ofEvent('processed_events')} p JOIN orderonce.event_data d ON ${IS_DATA_OF('p')})`,
    duplicates: ofEvent('duplicates'),
    conflicts: ofEvent('conflicts'),
    deadLetters: ofEvent('dead_letters'),
    claims: ofEvent('dead_letter_claims'),
    outbox: '(SELECT * FROM orderonce.outbox WHERE message_id = $1::uuid)',
    values: [id],
    types: ['uuid'],
  };
}
