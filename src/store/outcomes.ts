/** The outcomes that the tables have for a range of offsets. */
import type { LogPartition } from './log-place.ts';
import type { Queryable } from './queryable.ts';

/** What a table says about an offset. `edited`: a dead letter that was redriven with an edit. */
export type Outcome = {
  readonly kind: 'stored' | 'duplicate' | 'conflict' | 'dead_letter' | 'edited' | 'gap';
  /** A half-open range: one offset, except for gaps. */
  readonly from: number;
  readonly to: number;
  readonly eventId: string | null;
  /** The digest of the event in the record, in hex; null if the tables do not have it. */
  readonly digest: string | null;
  /** The ids as they were sent, of a stored event whose ids are no UUIDs. */
  readonly sentEventId: string | null;
  readonly sentOrderId: string | null;
  /** The exact bytes of the record's value, if the tables have them. */
  readonly value: Buffer | null;
  /** Why there is a gap; null for all other kinds. */
  readonly reason: string | null;
};

/**
 * The offsets in [from, to) of dead letters whose record was not decoded, or that were edited. Their
 * bytes are compared, so the record need not be decoded again.
 */
export async function findUndecoded(
  db: Queryable,
  { logId, partition }: LogPartition,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<ReadonlySet<number>> {
  const { rows } = await db.query<{ offset: number }>(
    `SELECT log_offset AS "offset" FROM orderonce.dead_letters
      WHERE log_id = $1 AND log_partition = $2 AND log_offset >= $3 AND log_offset < $4
        AND digest IS NULL AND reason IN ('decode_failed', 'ends_the_process')
     UNION
     SELECT log_offset FROM orderonce.dead_letter_audit
      WHERE log_id = $1 AND log_partition = $2 AND log_offset >= $3 AND log_offset < $4
        AND action = 'edit' AND outcome <> 'failed'`,
    [logId, partition, from, to],
  );
  return new Set(rows.map(({ offset }) => offset));
}

/**
 * All outcomes in [from, to). Rows of stored events have no index on their place, so they are found
 * by event id. A row with another id would be wrong anyway.
 * @param eventIds the ids in the records of this range.
 */
export async function findOutcomes(
  db: Queryable,
  { logId, partition }: LogPartition,
  { from, to }: { readonly from: number; readonly to: number },
  eventIds: readonly string[],
): Promise<Outcome[]> {
  const { rows } = await db.query<Outcome>(
    `SELECT 'stored' AS kind, log_offset AS "from", log_offset + 1 AS "to", event_id AS "eventId",
            encode(digest, 'hex') AS digest, event_id_text AS "sentEventId",
            order_id_text AS "sentOrderId", NULL::bytea AS value, NULL AS reason
       FROM orderonce.processed_events
      WHERE event_id = ANY ($5::uuid[]) AND log_id = $1 AND log_partition = $2
        AND log_offset >= $3 AND log_offset < $4
     UNION ALL
     SELECT 'duplicate', d.log_offset, d.log_offset + 1, d.event_id,
            encode(coalesce(p.digest, l.digest), 'hex'), NULL, NULL, NULL, NULL
       FROM orderonce.duplicates d
       LEFT JOIN orderonce.processed_events p ON p.event_id = d.event_id
       LEFT JOIN orderonce.dead_letter_claims l ON l.event_id = d.event_id
      WHERE d.log_id = $1 AND d.log_partition = $2 AND d.log_offset >= $3 AND d.log_offset < $4
     UNION ALL
     SELECT 'conflict', log_offset, log_offset + 1, event_id, encode(digest, 'hex'), NULL, NULL, NULL, NULL
       FROM orderonce.conflicts
      WHERE log_id = $1 AND log_partition = $2 AND log_offset >= $3 AND log_offset < $4
     UNION ALL
     SELECT 'dead_letter', log_offset, log_offset + 1, event_id, encode(digest, 'hex'), NULL, NULL, value, NULL
       FROM orderonce.dead_letters
      WHERE log_id = $1 AND log_partition = $2 AND log_offset >= $3 AND log_offset < $4
     UNION ALL
     SELECT 'edited', log_offset, log_offset + 1, event_id, NULL, NULL, NULL, original_value, NULL
       FROM orderonce.dead_letter_audit
      WHERE log_id = $1 AND log_partition = $2 AND log_offset >= $3 AND log_offset < $4
        AND action = 'edit' AND outcome <> 'failed'
     UNION ALL
     SELECT 'gap', from_offset, to_offset, NULL, NULL, NULL, NULL, NULL, reason FROM orderonce.log_gaps
      WHERE log_id = $1 AND log_partition = $2 AND to_offset > $3 AND from_offset < $4`,
    [logId, partition, from, to, eventIds],
  );
  return rows;
}
