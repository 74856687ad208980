/** The table event_data: the data of stored events that have a type. */
import { queryIn, type Scope } from './account-scope.ts';
import { envelopeDigest, IS_DATA_OF } from './event-columns.ts';
import type { Transaction } from './queryable.ts';

/** A typed event as it is stored. Digests are in hex. */
export type TypedRow = {
  readonly eventId: string;
  readonly type: string;
  readonly version: number;
  /** JSON text, not in canonical form; null if the event has no data. */
  readonly data: string | null;
  /** Of the columns of processed_events. */
  readonly envelopeDigest: string;
  /** What the row must have as its digest; for an edited event that of the edit. */
  readonly digest: string;
};

/** Whether any stored event has a type. */
export async function hasTypedEvents(tx: Transaction): Promise<boolean> {
  const { rows } = await tx.query('SELECT FROM orderonce.event_data LIMIT 1');
  return rows.length > 0;
}

/** Small, because each may have data of EVENT_BYTES_MAX, and none may block the event loop for long. */
const PAGE = 100;

/**
 * The typed events of a scope, page by page from one cursor, so that many of them do not fill the
 * memory.
 */
export async function* readTypedEvents(tx: Transaction, scope: Scope): AsyncGenerator<TypedRow> {
  const { data, events } = scope;
  const sql = `
     SELECT p.event_id AS "eventId", d.event_type AS type, d.event_version AS version,
            d.data::text AS data, encode(${envelopeDigest('p')}, 'hex') AS "envelopeDigest",
            encode(coalesce((
              SELECT edited_digest FROM orderonce.dead_letter_audit a
               WHERE (a.log_id, a.log_partition, a.log_offset) = (d.log_id, d.log_partition, d.log_offset)
                 AND action = 'edit' AND outcome = 'stored'
               ORDER BY audit_id DESC LIMIT 1), p.digest), 'hex') AS digest
       FROM ${data} d
       JOIN ${events} p ON ${IS_DATA_OF('p')}`;
  yield* inPages<TypedRow>(tx, scope, sql);
}

/** A stored event of which an id was sent as a text of another system. */
export type SentIdsRow = {
  readonly eventId: string;
  readonly orderId: string;
  readonly sentEventId: string | null;
  readonly sentOrderId: string | null;
};

/** The events of a scope that were sent with text ids, page by page. */
export async function* readSentIds(tx: Transaction, scope: Scope): AsyncGenerator<SentIdsRow> {
  const sql = `
     SELECT event_id AS "eventId", order_id AS "orderId",
            event_id_text AS "sentEventId", order_id_text AS "sentOrderId"
       FROM ${scope.events} p WHERE event_id_text IS NOT NULL OR order_id_text IS NOT NULL`;
  yield* inPages<SentIdsRow>(tx, scope, sql);
}

/** One cursor at a time. */
async function* inPages<T extends object>(
  tx: Transaction,
  scope: Scope,
  sql: string,
): AsyncGenerator<T> {
  // One query with a cursor: processed_events has no b-tree on its place, so each page of a query of
  // its own would search the events anew.
  await tx.query(`DECLARE pages NO SCROLL CURSOR FOR ${queryIn(scope, sql)}`, [...scope.values]);
  try {
    for (;;) {
      const { rows } = await tx.query<T>(`FETCH ${PAGE} FROM pages`);
      if (rows.length === 0) return;
      yield* rows;
    }
  } finally {
    await tx.query('CLOSE pages');
  }
}
