/** The table processed_events: what stores events, and the lookup of claims on their ids. */
import type { EventRecord } from '../log/decoded-record.ts';
import { uuidArray } from './binary-arrays.ts';
import { insertStatement } from './insert-statement.ts';
import type { LogPlace } from './log-place.ts';
import type { Projection } from './orders-projection.ts';
import type { Queryable, Transaction } from './queryable.ts';

/** What the insert keeps beside the events. */
export type InsertOptions = {
  /** null: the table `orders` is not kept (ORDERS_PROJECTION=off). */
  readonly projection: Projection | null;
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
 * Inserts the events whose ids are new, with the data of typed ones, and adds exactly those to the
 * projection.
 *
 * All inserts are in key order, so two consumers with the same ids cannot deadlock. An order may
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
  { projection, isRedrive = false }: InsertOptions,
): Promise<Inserted> {
  if (events.length === 0) return { count: 0, stored: [], known: [] };
  const { text, encode } = insertStatement({
    projection,
    isLate: isRedrive,
    isTyped: events.some(({ event }) => event.type !== undefined),
    hasTextIds: events.some(({ event }) => event.sentIds !== undefined),
  });
  const { rows } = await tx.query<{ count: number; known: string[] | null }>(text, [
    logId,
    ...encode(events),
  ]);
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
 * The claims on these event ids, by id, without those of the record at `except`. To classify
 * records it must run in a later statement than the insert, since only a later statement sees rows
 * that others committed in the meantime.
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
