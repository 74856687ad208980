/** Finds what an id or a place belongs to. Every statement uses an index. */
import type { LogPlace } from './log-place.ts';
import type { Queryable } from './queryable.ts';

/** Something that was found. */
export type Found = {
  readonly kind: 'event' | 'order' | 'dead_letter' | 'duplicate' | 'conflict' | 'message';
  /** The id of the event, order or message; for the others null. */
  readonly id: string | null;
  readonly place: LogPlace | null;
  /** Such as `stored`, `parked` or `held`; null if it has none. */
  readonly state: string | null;
  /** The order of an event, the reason of a dead letter, the topic of a message, and so on. */
  readonly about: string | null;
};

const ITEMS_MAX = 50;
const PLACE = `json_build_object('logId', log_id, 'partition', log_partition, 'offset', log_offset)`;

/** Everything with this id: an event, an order, a message. */
export async function findById(db: Queryable, id: string): Promise<Found[]> {
  const { rows } = await db.query<Found>(
    `SELECT 'event' AS kind, event_id AS id, ${PLACE} AS place, 'stored' AS state,
            order_id::text AS about
       FROM orderonce.processed_events WHERE event_id = $1
     UNION ALL
     (SELECT CASE WHEN digest IS NULL THEN 'dead_letter' ELSE 'event' END, event_id, ${PLACE}, state,
             coalesce(order_id::text, reason)
        FROM orderonce.dead_letters WHERE event_id = $1 LIMIT ${ITEMS_MAX})
     UNION ALL
     SELECT 'order', $1, NULL,
            CASE WHEN EXISTS (SELECT FROM orderonce.held_orders WHERE order_id = $1) THEN 'held'
                 WHEN EXISTS (SELECT FROM orderonce.processed_events WHERE order_id = $1) THEN 'stored'
                 ELSE 'discarded' END, NULL
      WHERE EXISTS (SELECT FROM orderonce.processed_events WHERE order_id = $1)
         OR EXISTS (SELECT FROM orderonce.dead_letter_claims WHERE order_id = $1)
     UNION ALL
     SELECT 'message', message_id, NULL,
            CASE WHEN published_at IS NULL THEN 'pending' ELSE 'published' END, event_id::text
       FROM orderonce.outbox WHERE message_id = $1`,
    [id],
  );
  return rows;
}

/** How far around the time of a request its records are searched, in seconds. */
export type Window = { readonly before: number; readonly after: number };

/** The indexes by time that a search for a request needs, and how to build those that are missing. */
const TIME_INDEXES = {
  processed_events_processed_at: 'processed_events USING brin (processed_at)',
  duplicates_seen_at: 'duplicates USING brin (seen_at)',
} as const;

/** @returns the statements that build the missing indexes by time, without blocking writers. */
export async function missingTimeIndexes(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      WHERE i.indisvalid AND i.indrelid IN ('orderonce.processed_events'::regclass,
                                            'orderonce.duplicates'::regclass)`,
  );
  const found = new Set(rows.map(({ name }) => name));
  return Object.entries(TIME_INDEXES)
    .filter(([name]) => !found.has(name))
    .map(([name, on]) => `CREATE INDEX CONCURRENTLY ${name} ON ${on} WITH (autosummarize = on)`);
}

/**
 * The records that a request brought, if they were processed within a time around it: there is an
 * index on times (missingTimeIndexes), but none on request ids.
 * @param ms when the request arrived, in milliseconds since 1970.
 */
export async function findByRequest(
  db: Queryable,
  requestId: string,
  ms: number,
  { before, after }: Window,
): Promise<Found[]> {
  const within = (column: string) =>
    `request_id = $1 AND ${column} BETWEEN to_timestamp($2 / 1000.0) - make_interval(secs => $3)
       AND to_timestamp($2 / 1000.0) + make_interval(secs => $4)`;
  const { rows } = await db.query<Found>(
    `(SELECT 'event' AS kind, event_id AS id, ${PLACE} AS place, 'stored' AS state,
             order_id::text AS about
        FROM orderonce.processed_events WHERE ${within('processed_at')} LIMIT ${ITEMS_MAX})
     UNION ALL
     (SELECT 'dead_letter', event_id, ${PLACE}, state, reason
        FROM orderonce.dead_letters WHERE ${within('parked_at')} LIMIT ${ITEMS_MAX})
     UNION ALL
     (SELECT 'duplicate', event_id, ${PLACE}, NULL, source
        FROM orderonce.duplicates WHERE ${within('seen_at')} LIMIT ${ITEMS_MAX})
     UNION ALL
     (SELECT 'conflict', event_id, ${PLACE}, NULL, source
        FROM orderonce.conflicts WHERE ${within('seen_at')} LIMIT ${ITEMS_MAX})`,
    [requestId, ms, before, after],
  );
  return rows;
}

/** What a record that was not stored as a new event became; empty for one that was. */
export async function findByPlace(
  db: Queryable,
  { logId, partition, offset }: LogPlace,
): Promise<Found[]> {
  const here = 'log_id = $1 AND log_partition = $2 AND log_offset = $3';
  const { rows } = await db.query<Found>(
    `SELECT 'dead_letter' AS kind, event_id AS id, ${PLACE} AS place, state, reason AS about
       FROM orderonce.dead_letters WHERE ${here}
     UNION ALL
     SELECT 'duplicate', event_id, ${PLACE}, NULL, source FROM orderonce.duplicates WHERE ${here}
     UNION ALL
     SELECT 'conflict', event_id, ${PLACE}, NULL, source FROM orderonce.conflicts WHERE ${here}
     UNION ALL
     (SELECT 'dead_letter', event_id, ${PLACE}, 'gone', outcome
        FROM orderonce.dead_letter_audit WHERE ${here}
         AND NOT EXISTS (SELECT FROM orderonce.dead_letters WHERE ${here})
       ORDER BY audit_id DESC LIMIT 1)`,
    [logId, partition, offset],
  );
  return rows;
}

/** The stored event at a place, given the id of its event. */
export async function findStoredAt(
  db: Queryable,
  eventId: string,
  { logId, partition, offset }: LogPlace,
): Promise<Found | null> {
  const { rows } = await db.query<Found>(
    `SELECT 'event' AS kind, event_id AS id, ${PLACE} AS place, 'stored' AS state,
            order_id::text AS about
       FROM orderonce.processed_events
      WHERE event_id = $1 AND log_id = $2 AND log_partition = $3 AND log_offset = $4`,
    [eventId, logId, partition, offset],
  );
  return rows[0] ?? null;
}

/** A partition of a topic, as the positions know it. */
export type KnownPartition = {
  readonly topic: string;
  readonly partition: number;
  readonly logId: number;
  /** The id of the topic in that log. */
  readonly topicId: string;
  readonly nextOffset: number;
};

/**
 * A partition that is processed now, of a topic or of a log.
 * @returns null if there is none, for example of a log that was replaced by another one.
 */
export async function findPartition(
  db: Queryable,
  of: { readonly topic: string } | { readonly logId: number },
  partition: number,
): Promise<KnownPartition | null> {
  const [topic, logId] = 'topic' in of ? [of.topic, null] : [null, of.logId];
  const { rows } = await db.query<KnownPartition>(
    `SELECT p.topic, p.log_partition AS partition, p.log_id AS "logId", l.topic_id AS "topicId",
            p.next_offset AS "nextOffset"
       FROM orderonce.consumer_positions p JOIN orderonce.logs l USING (log_id)
      WHERE (p.topic = $1 OR p.log_id = $2) AND p.log_partition = $3`,
    [topic, logId, partition],
  );
  return rows[0] ?? null;
}
