/**
 * The questions about the account of offsets: has each offset exactly one outcome? They are asked
 * in a scope (account-scope.ts) and return the contradictions that they find, so a result without
 * rows is the proof. All of them run on one snapshot, so consumers that work at the same time do
 * not affect the result.
 */
import { askIn, POSITIONS, type Scope } from './account-scope.ts';
import type { Transaction } from './queryable.ts';

/** The most rows that one query returns, so that a damaged table cannot fill the memory. */
export const FINDINGS_MAX = 1000;

/** All rows that account for offsets, as half-open ranges of offsets. */
const rangesIn = ({ events, duplicates, conflicts, deadLetters, gaps }: Scope) => `
  SELECT log_id, log_partition, log_offset AS from_offset, log_offset + 1 AS to_offset FROM ${events} e
  UNION ALL SELECT log_id, log_partition, log_offset, log_offset + 1 FROM ${duplicates} d
  UNION ALL SELECT log_id, log_partition, log_offset, log_offset + 1 FROM ${conflicts} c
  UNION ALL SELECT log_id, log_partition, log_offset, log_offset + 1 FROM ${deadLetters} l
  UNION ALL SELECT log_id, log_partition, from_offset, to_offset FROM ${gaps} g`;

export const OFFSET_KINDS = ['hole', 'overlap', 'ahead', 'unowned'] as const;

/** A contradiction about the offsets [from, to) of a partition. */
export type OffsetFinding = {
  readonly kind: (typeof OFFSET_KINDS)[number];
  readonly logId: number;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
};

const FINDING = 'kind, log_id AS "logId", log_partition AS partition, a AS "from", b AS "to"';

/**
 * SQL: offsets in the scope's windows that have no outcome (`hole`) or more than one (`overlap`).
 */
export const miscountedIn = (scope: Scope): string => `WITH windows AS MATERIALIZED (
       SELECT log_id, log_partition, start_offset, next_offset FROM ${scope.windows} w
     ), ranges AS (
       SELECT log_id, log_partition, w.start_offset,
              greatest(r.from_offset, w.start_offset) AS from_offset,
              least(r.to_offset, w.next_offset) AS to_offset,
              lag(least(r.to_offset, w.next_offset), 1, w.start_offset) OVER w AS before
         FROM (${rangesIn(scope)}) r JOIN windows w USING (log_id, log_partition)
        WHERE r.to_offset > w.start_offset AND r.from_offset < w.next_offset
       WINDOW w AS (PARTITION BY log_id, log_partition, w.start_offset
                        ORDER BY r.from_offset, r.to_offset)
     ), reached AS (
       SELECT log_id, log_partition, start_offset, max(to_offset) AS last FROM ranges GROUP BY 1, 2, 3
     ), ends AS (
       SELECT log_id, log_partition, w.next_offset, coalesce(r.last, start_offset) AS last
         FROM windows w LEFT JOIN reached r USING (log_id, log_partition, start_offset)
     )
     SELECT ${FINDING} FROM (
       SELECT 'hole' AS kind, log_id, log_partition, before AS a, from_offset AS b
         FROM ranges WHERE from_offset > before
       UNION ALL
       SELECT 'overlap', log_id, log_partition, from_offset, least(before, to_offset)
         FROM ranges WHERE from_offset < before
       UNION ALL
       SELECT 'hole', log_id, log_partition, last, next_offset FROM ends WHERE last < next_offset
     ) findings ORDER BY 2, 3, 4 LIMIT ${FINDINGS_MAX}`;

/**
 * SQL: outcomes at or past the position (`ahead`), and outcomes in a partition that has no
 * position, or before its start (`unowned`). One finding for all of a kind in a partition.
 */
export const straysIn = (scope: Scope): string => `WITH positions AS MATERIALIZED (${POSITIONS})
     SELECT kind, log_id AS "logId", log_partition AS partition, min(a) AS "from", max(b) AS "to" FROM (
       SELECT CASE WHEN r.from_offset >= p.start_offset THEN 'ahead' ELSE 'unowned' END AS kind,
              log_id, log_partition, r.to_offset AS b,
              CASE WHEN r.from_offset >= p.start_offset
                   THEN greatest(r.from_offset, p.next_offset) ELSE r.from_offset END AS a
         FROM (${rangesIn(scope)}) r LEFT JOIN positions p USING (log_id, log_partition)
        WHERE p.next_offset IS NULL OR r.to_offset > p.next_offset OR r.from_offset < p.start_offset
     ) strays GROUP BY 1, 2, 3 ORDER BY 2, 3, 4 LIMIT ${FINDINGS_MAX}`;

/** Everything that is wrong with the offsets in a scope. */
export async function findOffsetFindings(tx: Transaction, scope: Scope): Promise<OffsetFinding[]> {
  return [
    ...(await askIn<OffsetFinding>(tx, scope, miscountedIn(scope))),
    ...(await askIn<OffsetFinding>(tx, scope, straysIn(scope))),
  ];
}

/**
 * How many events of a partition are stored in a range of offsets, and the sum of the first 7 bytes of
 * their digests (as decimal text). Events that a redrive stored do not count: they come later.
 */
export type StoredSum = { readonly stored: number; readonly digests: string };

/** SQL: the sums in the scope's windows, by log and partition. */
export const storedIn = ({ events, windows }: Scope): string => `
    SELECT log_id AS "logId", log_partition AS partition, count(*) AS stored,
           sum(('x' || encode(substr(digest, 1, 7), 'hex'))::bit(56)::bigint)::text AS digests
      FROM ${events} e JOIN ${windows} w USING (log_id, log_partition)
     WHERE log_offset >= w.start_offset AND log_offset < w.next_offset
       AND NOT EXISTS (SELECT FROM orderonce.dead_letter_audit a
                        WHERE (a.log_id, a.log_partition, a.log_offset)
                              = (e.log_id, e.log_partition, e.log_offset) AND a.outcome = 'stored')
     GROUP BY log_id, log_partition`;
