/** Everything that the tables know about one event. */
import { IS_DATA_OF } from './event-columns.ts';
import type { LogPlace } from './log-place.ts';
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

/** The most rows of each table. */
const ROWS_MAX = 200;

const AT = (alias: string) => `json_build_object('logId', ${alias}.log_id,
  'partition', ${alias}.log_partition, 'offset', ${alias}.log_offset)`;
const list = (rows: string) =>
  `(SELECT coalesce(json_agg(x), '[]') FROM (${rows} LIMIT ${ROWS_MAX}) x)`;

/** A record that repeats the event. */
export type RepeatRow = {
  readonly place: LogPlace;
  readonly at: string;
  readonly requestId: string | null;
  readonly source: string | null;
  readonly afterMs: number | null;
};

/** The rows about an event. Times are UTC, as events spell them. */
export type EventRows = {
  readonly stored: {
    readonly place: LogPlace;
    readonly topic: string;
    readonly at: string;
    readonly orderId: string;
    readonly requestId: string | null;
    /** With its version, such as `order.placed@1`; null if it has none. */
    readonly type: string | null;
  } | null;
  /** Dead letters that have taken the id; there is at most one. */
  readonly letter: {
    readonly place: LogPlace;
    readonly topic: string;
    readonly at: string;
    readonly appendedAt: string | null;
    readonly orderId: string;
    readonly requestId: string | null;
    readonly state: 'parked' | 'waiting' | 'discarded';
    readonly reason: string;
    readonly sqlstate: string | null;
    readonly message: string | null;
    readonly attempts: number;
  } | null;
  readonly duplicates: readonly RepeatRow[];
  readonly conflicts: readonly RepeatRow[];
  readonly audit: readonly {
    readonly place: LogPlace;
    readonly at: string;
    readonly action: 'redrive' | 'edit' | 'discard';
    readonly actor: string;
    readonly outcome: string;
    readonly detail: unknown;
    readonly redriveId: number | null;
  }[];
  readonly messages: readonly {
    readonly messageId: string;
    readonly topic: string;
    readonly handler: string;
    readonly at: string;
    readonly publishedAt: string | null;
    readonly partition: number | null;
    readonly offset: number | null;
  }[];
};

const repeats = (table: 'duplicates' | 'conflicts') => `
  SELECT ${AT('r')} AS place, ${UTC('r.seen_at')} AS at, r.request_id AS "requestId", r.source,
         r.after_ms AS "afterMs"
    FROM orderonce.${table} r WHERE r.event_id = $1 ORDER BY r.seen_at, r.log_offset`;

/**
 * @param messageIds of the messages that handlers may have emitted for the event (messageIdOf): the
 * outbox is indexed by them, and not by the event.
 * @returns the rows; all empty if nothing knows the event.
 */
export async function readEventRows(
  db: Queryable,
  eventId: string,
  messageIds: readonly string[],
): Promise<EventRows> {
  const { rows } = await db.query<EventRows>(
    `SELECT
       (SELECT json_build_object('place', ${AT('e')}, 'topic', l.topic, 'at', ${UTC('e.processed_at')},
                 'orderId', e.order_id, 'requestId', e.request_id,
                 'type', d.event_type || '@' || d.event_version)
          FROM orderonce.processed_events e JOIN orderonce.logs l USING (log_id)
          LEFT JOIN orderonce.event_data d ON ${IS_DATA_OF('e')}
         WHERE e.event_id = $1) AS stored,
       (SELECT json_build_object('place', ${AT('d')}, 'topic', l.topic, 'at', ${UTC('d.parked_at')},
                 'appendedAt', ${UTC('d.appended_at')}, 'orderId', d.order_id,
                 'requestId', d.request_id, 'state', d.state, 'reason', d.reason,
                 'sqlstate', d.sqlstate, 'message', d.detail ->> 'message', 'attempts', d.attempts)
          FROM orderonce.dead_letter_claims d JOIN orderonce.logs l USING (log_id)
         WHERE d.event_id = $1 LIMIT 1) AS letter,
       ${list(repeats('duplicates'))} AS duplicates,
       ${list(repeats('conflicts'))} AS conflicts,
       ${list(`SELECT m.message_id AS "messageId", m.topic, m.handler, ${UTC('m.created_at')} AS at,
                      ${UTC('m.published_at')} AS "publishedAt", m.published_partition AS partition,
                      m.published_offset AS "offset"
                 FROM orderonce.outbox m WHERE m.message_id = ANY ($2::uuid[]) ORDER BY m.outbox_id`)} AS messages`,
    [eventId, messageIds],
  );
  const found = rows[0] as EventRows;
  const place = found.stored?.place ?? found.letter?.place;
  return { ...found, audit: place === undefined ? [] : await readAuditOf(db, place) };
}

async function readAuditOf(db: Queryable, { logId, partition, offset }: LogPlace) {
  const { rows } = await db.query<EventRows['audit'][number]>(
    `SELECT ${AT('a')} AS place, ${UTC('a.at')} AS at, a.action, a.actor, a.outcome, a.detail,
            a.redrive_id AS "redriveId"
       FROM orderonce.dead_letter_audit a
      WHERE log_id = $1 AND log_partition = $2 AND log_offset = $3
      ORDER BY audit_id LIMIT ${ROWS_MAX}`,
    [logId, partition, offset],
  );
  return rows;
}

/** Whether a list of these rows may have been cut. */
export function isCut({ duplicates, conflicts, audit, messages }: EventRows): boolean {
  return [duplicates, conflicts, audit, messages].some(({ length }) => length >= ROWS_MAX);
}
