/** The questions about rows: do they agree with one another? See account-queries.ts. */
import { FINDINGS_MAX } from './account-queries.ts';
import { askIn, type Scope } from './account-scope.ts';
import type { Transaction } from './queryable.ts';
import { UTC } from './utc.ts';

export const ROW_KINDS = [
  'altered',
  'effect',
  'last event',
  'orphan',
  'unexplained',
  'claimed twice',
  'held order',
] as const;

/** A contradiction about rows; `kind` is that of the question. */
export type RowFinding = {
  readonly kind: (typeof ROW_KINDS)[number];
  /** An event, order or message; the place of a dead letter that has no event id. */
  readonly id: string;
  readonly message: string;
};

/** A query about the rows of a scope. It selects `id` and `message` for each contradiction. */
export type Question = {
  readonly kind: RowFinding['kind'];
  readonly sql: (scope: Scope) => string;
  /** It reads the table `orders`, so it is omitted if that table is not kept. */
  readonly isOfOrders?: true;
};

/**
 * SQL: the digest of a row of processed_events, as digestOf() in src/event/order-event.ts has it.
 */
const DIGEST = `sha256(convert_to(p.event_id || E'\\n' || p.order_id || E'\\n' || p.total_amount ||
  E'\\n' || ${UTC('p.occurred_at')} || E'\\n' || p.user_id, 'UTF8'))`;

export const QUESTIONS: readonly Question[] = [
  {
    kind: 'altered',
    // An edited row has the values of the edit, but keeps the digest of the record.
    sql: ({ events }) => `
          SELECT p.event_id AS id, 'the row does not have its digest' AS message
            FROM ${events} p LEFT JOIN (
              SELECT DISTINCT ON (event_id) event_id, edited_digest FROM orderonce.dead_letter_audit
               WHERE action = 'edit' AND outcome = 'stored'
               ORDER BY event_id, audit_id DESC) e USING (event_id)
           WHERE ${DIGEST} <> coalesce(e.edited_digest, p.digest)`,
  },
  {
    kind: 'effect',
    isOfOrders: true,
    sql: ({ orders, sums, orderEventsMax }) => `
          SELECT coalesce(o.order_id, e.order_id) AS id,
                 'orders says ' || coalesce(o.event_count || ' events, ' || o.amount_sum, 'nothing') ||
                 '; processed_events says ' || coalesce(e.n || ' events, ' || e.amount, 'nothing') AS message
            FROM ${orders} o FULL JOIN ${sums} e USING (order_id)
           WHERE (o.event_count IS DISTINCT FROM e.n OR o.amount_sum IS DISTINCT FROM e.amount)
             AND coalesce(e.n, 0) <= ${orderEventsMax}`,
  },
  {
    kind: 'last event',
    isOfOrders: true,
    sql: ({ orders, lastEvents, orderEventsMax }) => `
          SELECT o.order_id AS id, 'does not show the last event of the log' AS message
            FROM ${orders} o LEFT JOIN ${lastEvents} p ON p.event_id = o.last_event_id
           WHERE p.event_id IS NULL
              OR (p.order_id, p.user_id, p.total_amount, p.log_id, p.log_partition, p.log_offset)
                 <> (o.order_id, o.user_id, o.total_amount, o.last_log_id, o.last_log_partition, o.last_log_offset)
              OR EXISTS (SELECT FROM orderonce.processed_events later
                          WHERE o.event_count BETWEEN 2 AND ${orderEventsMax}
                            AND later.order_id = o.order_id
                            AND later.log_id = o.last_log_id
                            AND later.log_partition = o.last_log_partition
                            AND later.log_offset > o.last_log_offset)`,
  },
  {
    kind: 'orphan',
    sql: ({ duplicates, conflicts }) => `
          SELECT r.event_id AS id, r.what || ' of an event id that is not taken' AS message
            FROM (SELECT event_id, 'duplicate' AS what FROM ${duplicates} d
                  UNION ALL SELECT event_id, 'conflict' FROM ${conflicts} c) r
           WHERE NOT EXISTS (SELECT FROM orderonce.processed_events p WHERE p.event_id = r.event_id)
             AND NOT EXISTS (SELECT FROM orderonce.dead_letter_claims d
                              WHERE d.event_id = r.event_id)`,
  },
  {
    kind: 'orphan',
    sql: ({ outbox }) => `
          SELECT message_id AS id, 'outbox message of an event that is not stored' AS message
            FROM ${outbox} o
           WHERE NOT EXISTS (SELECT FROM orderonce.processed_events p WHERE p.event_id = o.event_id)`,
  },
  {
    kind: 'unexplained',
    sql: ({ deadLetters, conflicts }) => `
          SELECT coalesce(event_id::text, concat_ws('/', log_id, log_partition, log_offset)) AS id,
                 'is discarded, but the audit does not say by whom' AS message
            FROM ${deadLetters} d
           WHERE state = 'discarded' AND NOT EXISTS (
             SELECT FROM orderonce.dead_letter_audit a
              WHERE a.action = 'discard' AND (a.log_id, a.log_partition, a.log_offset)
                    = (d.log_id, d.log_partition, d.log_offset))
          UNION ALL
          SELECT event_id::text, 'is a conflict with its own payload' FROM ${conflicts} c
           WHERE digest = first_digest`,
  },
  {
    kind: 'claimed twice',
    sql: ({ claims }) => `
          SELECT event_id AS id, 'both stored and a dead letter' AS message
            FROM ${claims} d JOIN orderonce.processed_events p USING (event_id)`,
  },
  {
    kind: 'held order',
    sql: ({ held, queues }) => `
          SELECT coalesce(h.order_id, d.order_id) AS id,
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

/** SQL: one question in a scope. */
export const askedIn = (scope: Scope, { kind, sql }: Question): string =>
  `SELECT '${kind}' AS kind, id::text AS id, message FROM (${sql(scope)}) findings LIMIT ${FINDINGS_MAX}`;

/** Asks one question in a scope. */
export async function ask(tx: Transaction, scope: Scope, q: Question): Promise<RowFinding[]> {
  return await askIn(tx, scope, askedIn(scope, q));
}
