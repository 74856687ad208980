import type { EventRecord } from '../log/decoded-record.ts';
import type { LogRecord } from '../log/event-log.ts';
import type { Transaction } from './queryable.ts';
import { toStorableJson } from './storable-json.ts';

/** A record that cannot take effect now. */
export type DeadLetter = {
  readonly record: LogRecord;
  /** The event, if the record decoded. The dead letter then takes its event id. */
  readonly event?: EventRecord;
  /** The event id of a record that did not decode, if it can be read. Only for searching. */
  readonly eventIdHint?: string | undefined;
  readonly state: 'parked' | 'waiting';
  /** By which dead letters are grouped, such as invalid_event, refused_by_database, order_held. */
  readonly reason: string;
  readonly detail?: unknown;
  readonly sqlState?: string | undefined;
  /** How many failures there were before it was parked. Default: 1. */
  readonly attempts?: number;
};

/**
 * Writes a row for each dead letter, with the record's exact bytes. Raw bytes are not valid JSON
 * text, so they are sent as base64; characters that jsonb cannot hold are replaced in `detail`.
 *
 * @returns how many of these records have a row now.
 */
export async function insertDeadLetters(
  tx: Transaction,
  logId: number,
  deadLetters: readonly DeadLetter[],
): Promise<number> {
  if (deadLetters.length === 0) return 0;
  const { rowCount } = await tx.query(
    `INSERT INTO orderonce.dead_letters AS d (log_id, log_partition, log_offset, event_id, order_id, digest,
       key, value, headers, appended_at, state, reason, detail, sqlstate, attempts,
       request_id)
     SELECT $1, i.log_partition, i.log_offset, i.event_id, i.order_id, decode(i.digest, 'hex'),
            decode(i.key, 'base64'), decode(i.value, 'base64'), i.headers,
            to_timestamp(i.appended_ms / 1000.0), i.state, i.reason, i.detail, i.sqlstate,
            i.attempts, i.request_id
       FROM json_to_recordset($2) AS i (log_partition int, log_offset bigint, event_id uuid,
              order_id uuid, digest text, key text, value text, headers jsonb,
              appended_ms float8, state text, reason text, detail jsonb, sqlstate text, attempts int, request_id uuid)
     ON CONFLICT (log_id, log_partition, log_offset) DO UPDATE SET updated_at = d.updated_at`,
    [logId, toStorableJson(deadLetters.map(rowOf))],
  );
  return rowCount ?? 0;
}

function rowOf(deadLetter: DeadLetter) {
  const { record, event } = deadLetter;
  const base64 = (bytes: Buffer | null) => bytes?.toString('base64') ?? null;
  return {
    log_partition: record.partition,
    log_offset: record.offset,
    event_id: event?.event.eventId ?? deadLetter.eventIdHint ?? null,
    order_id: event?.event.orderId ?? null,
    digest: event?.digest ?? null,
    key: base64(record.key),
    value: base64(record.value),
    headers: record.headers.map(([key, value]) => [base64(key), base64(value)]),
    appended_ms: isDate(record.appendedMs) ? record.appendedMs : null,
    state: deadLetter.state,
    reason: deadLetter.reason,
    detail: deadLetter.detail ?? null,
    sqlstate: deadLetter.sqlState ?? null,
    attempts: deadLetter.attempts ?? 1,
    request_id: record.requestId,
  };
}

/** A foreign client may have written any number as a record's time. PostgreSQL refuses some. */
function isDate(ms: number): boolean {
  return ms >= 0 && ms < Date.UTC(10_000);
}
