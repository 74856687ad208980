import { toCanonicalJson } from '../event/order-event.ts';
import type { Repeat } from './duplicates.ts';
import { IS_DATA_OF, payloadOf } from './event-columns.ts';
import { LEDGER_COLUMNS, type LedgerFilter, type LedgerRow, readLedger } from './ledger.ts';
import type { Queryable, Transaction } from './queryable.ts';
import { storablePayload } from './storable-json.ts';
import { UTC } from './utc.ts';

/**
 * Writes a row for each record whose event id another payload has taken. The row keeps both
 * payloads; the first one is read from processed_events or from its dead letter.
 *
 * @returns how many of these records have a row now.
 */
export async function insertConflicts(
  tx: Transaction,
  logId: number,
  repeats: readonly Repeat[],
): Promise<number> {
  if (repeats.length === 0) return 0;
  const firsts = await readFirstLetters(tx, repeats);
  const input = repeats.map(({ event, claim, source, afterMs }) => ({
    log_partition: event.record.partition,
    log_offset: event.record.offset,
    event_id: event.event.eventId,
    payload: JSON.parse(toCanonicalJson(event.event)) as unknown,
    first_payload: firsts.get(event.event.eventId) ?? null,
    digest: `\\x${event.digest}`,
    first_log_id: claim.logId,
    first_log_partition: claim.partition,
    first_log_offset: claim.offset,
    first_digest: `\\x${claim.digest}`,
    request_id: event.record.requestId,
    source,
    after_ms: afterMs,
  }));
  const { rowCount } = await tx.query(
    `INSERT INTO orderonce.conflicts (log_id, log_partition, log_offset, event_id, payload, digest,
       first_payload, first_digest, first_log_id, first_log_partition, first_log_offset,
       request_id, source, after_ms)
     SELECT $1, c.log_partition, c.log_offset, c.event_id, c.payload, c.digest,
            CASE WHEN p.event_id IS NOT NULL THEN ${payloadOf('p')} ELSE c.first_payload END,
            c.first_digest, c.first_log_id, c.first_log_partition, c.first_log_offset,
            c.request_id, c.source, c.after_ms
       FROM json_to_recordset($2) AS c (log_partition int, log_offset bigint, event_id uuid,
              payload jsonb, first_payload jsonb, digest bytea, first_digest bytea, first_log_id int, first_log_partition int,
              first_log_offset bigint, request_id uuid, source text, after_ms bigint)
       LEFT JOIN orderonce.processed_events p ON p.event_id = c.event_id
       LEFT JOIN orderonce.event_data d ON ${IS_DATA_OF('p')}
     ON CONFLICT (log_id, log_partition, log_offset) DO UPDATE SET digest = excluded.digest`,
    [logId, JSON.stringify(input)],
  );
  return rowCount ?? 0;
}

/**
 * The payloads of the dead letters that came first, by event id. Their bytes may be anything, for
 * example Avro, so PostgreSQL must not be asked to read them as JSON.
 */
async function readFirstLetters(
  tx: Transaction,
  repeats: readonly Repeat[],
): Promise<ReadonlyMap<string, object>> {
  const { rows } = await tx.query<{ id: string; value: Buffer | null }>(
    'SELECT event_id AS id, value FROM orderonce.dead_letter_claims WHERE event_id = ANY ($1::uuid[])',
    [repeats.map(({ event }) => event.event.eventId)],
  );
  return new Map(rows.map(({ id, value }) => [id, storablePayload(value)]));
}

const COLUMNS = `${LEDGER_COLUMNS}, payload, encode(digest, 'hex') AS digest, first_payload,
  encode(first_digest, 'hex') AS first_digest,
  (SELECT ${UTC('p.processed_at')} FROM orderonce.processed_events p
    WHERE p.event_id = conflicts.event_id) AS first_stored_at`;

/** Conflicts with both payloads, both digests and both places, sorted as the filter says. */
export async function listConflicts(db: Queryable, filter: LedgerFilter): Promise<LedgerRow[]> {
  return await readLedger(db, { table: 'conflicts', columns: COLUMNS }, filter);
}
