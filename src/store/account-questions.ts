/** The questions about rows: do they agree with one another? See account-queries.ts. */
import { FINDINGS_MAX } from './account-queries.ts';
import { askIn, type Scope } from './account-scope.ts';
import { envelopeDigest, IS_DATA_OF } from './event-columns.ts';
import type { Transaction } from './queryable.ts';
import type { Question, RowFinding } from './questions.ts';

/** What is asked in every deployment. Projections have further questions. */
export const QUESTIONS: readonly Question[] = [
  {
    label: 'altered',
    // An edited row has the values of the edit, but keeps the digest of the record. Rows with data are
    // judged by typed-events.ts.
    sql: ({ events, dataOf }) => `
          SELECT 'altered' AS kind, p.event_id AS id, 'the row does not have its digest' AS message,
                 ${envelopeDigest('p')} AS evidence
            FROM ${events} p LEFT JOIN (
              SELECT DISTINCT ON (event_id) event_id, edited_digest FROM orderonce.dead_letter_audit
               WHERE action = 'edit' AND outcome = 'stored'
               ORDER BY event_id, audit_id DESC) e USING (event_id)
            LEFT JOIN ${dataOf('p')}
           WHERE ${envelopeDigest('p')} <> coalesce(e.edited_digest, p.digest) AND d.log_id IS NULL`,
  },
  {
    label: 'orphan',
    sql: ({ duplicates, conflicts }) => `
          SELECT 'orphan' AS kind, r.event_id AS id, r.what || ' of an event id that is not taken' AS message
            FROM (SELECT event_id, 'duplicate' AS what FROM ${duplicates} d
                  UNION ALL SELECT event_id, 'conflict' FROM ${conflicts} c) r
           WHERE NOT EXISTS (SELECT FROM orderonce.processed_events p WHERE p.event_id = r.event_id)
             AND NOT EXISTS (SELECT FROM orderonce.dead_letter_claims d
                              WHERE d.event_id = r.event_id)`,
  },
  {
    label: 'orphan',
    sql: ({ outbox }) => `
          SELECT 'orphan' AS kind, message_id AS id, 'outbox message of an event that is not stored' AS message
            FROM ${outbox} o
           WHERE NOT EXISTS (SELECT FROM orderonce.processed_events p WHERE p.event_id = o.event_id)`,
  },
  {
    label: 'orphan',
    sql: ({ data, events }) => `
          SELECT 'orphan' AS kind, concat_ws('/', d.log_id, d.log_partition, d.log_offset) AS id,
                 'data of an event that is not stored' AS message
            FROM ${data} d
           WHERE NOT EXISTS (SELECT FROM ${events} p WHERE ${IS_DATA_OF('p')})`,
  },
  {
    label: 'unexplained',
    sql: ({ deadLetters, conflicts }) => `
          SELECT 'unexplained' AS kind,
                 coalesce(event_id::text, concat_ws('/', log_id, log_partition, log_offset)) AS id,
                 'is discarded, but the audit does not say by whom' AS message
            FROM ${deadLetters} d
           WHERE state = 'discarded' AND NOT EXISTS (
             SELECT FROM orderonce.dead_letter_audit a
              WHERE a.action = 'discard' AND (a.log_id, a.log_partition, a.log_offset)
                    = (d.log_id, d.log_partition, d.log_offset))
          UNION ALL
          SELECT 'unexplained', event_id::text, 'is a conflict with its own payload' FROM ${conflicts} c
           WHERE digest = first_digest`,
  },
  {
    label: 'claimed twice',
    sql: ({ claims }) => `
          SELECT 'claimed twice' AS kind, event_id AS id, 'both stored and a dead letter' AS message
            FROM ${claims} d JOIN orderonce.processed_events p USING (event_id)`,
  },
  {
    label: 'held order',
    sql: ({ held, queues }) => `
          SELECT 'held order' AS kind, coalesce(h.order_id, d.order_id) AS id,
                 CASE WHEN d.order_id IS NULL THEN 'is held, but has no parked event'
                      ELSE 'has parked events, but is not held' END AS message
            FROM ${held} h FULL JOIN (
              SELECT DISTINCT order_id FROM ${queues} q
               WHERE state IN ('parked', 'waiting')) d USING (order_id)
           WHERE h.order_id IS NULL OR d.order_id IS NULL`,
  },
];

/** Allows sorts of a million offsets in memory, for this transaction only. */
export async function allowLargeSorts(tx: Transaction): Promise<void> {
  await tx.query(`SET LOCAL work_mem = '128MB'`);
}

/** SQL: one question in a scope. Only some of them give evidence beside their message. */
export const askedIn = (scope: Scope, { sql }: Question): string =>
  `SELECT kind, id::text AS id, message, coalesce(to_jsonb(findings) ->> 'evidence', message) AS evidence
     FROM (${sql(scope)}) findings LIMIT ${FINDINGS_MAX}`;

/** Asks one question in a scope. */
export async function ask(tx: Transaction, scope: Scope, q: Question): Promise<RowFinding[]> {
  return await askIn(tx, scope, askedIn(scope, q));
}
