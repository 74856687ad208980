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
export const miscountedIn = (scope: Scope): string => `WITH numbered AS MATERIALIZED (
       SELECT row_number() OVER () AS n, log_id, log_partition, start_offset, next_offset
         FROM ${scope.windows} w
     ), ranges AS (
       SELECT n, greatest(r.from_offset, w.start_offset) AS from_offset,
              least(r.to_offset, w.next_offset) AS to_offset, w.start_offset
         FROM (${rangesIn(scope)}) r JOIN numbered w USING (log_id, log_partition)
        WHERE r.to_offset > w.start_offset AND r.from_offset < w.next_offset
       -- The end of each window, to which its ranges must reach.
       UNION ALL SELECT n, next_offset, next_offset, start_offset FROM numbered
     ), reached AS (
       SELECT n, from_offset, to_offset, coalesce(max(to_offset) OVER (
                PARTITION BY n ORDER BY from_offset, to_offset
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), start_offset) AS before
         FROM ranges
     )
     SELECT ${FINDING} FROM (
       SELECT n, CASE WHEN from_offset > before THEN 'hole' ELSE 'overlap' END AS kind,
              least(from_offset, before) AS a,
              CASE WHEN from_offset > before THEN from_offset ELSE least(before, to_offset) END AS b
         FROM reached WHERE from_offset <> before
     ) findings JOIN numbered USING (n)
      WHERE a < b ORDER BY 2, 3, 4 LIMIT ${FINDINGS_MAX}`;

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

/** SQL: the first 7 bytes of a digest as a number. get_byte() is half as dear as a detour over hex. */
const DIGEST_SUMMAND = [0, 1, 2, 3, 4, 5, 6]
  .map((byte) => `(get_byte(digest, ${byte})::bigint << ${8 * (6 - byte)})`)
  .join(' + ');

/** SQL: the sums in the scope's windows, by log and partition. */
export const storedIn = ({ events, windows }: Scope): string => `
    SELECT log_id AS "logId", log_partition AS partition, count(*) AS stored,
           sum(${DIGEST_SUMMAND})::text AS digests
      FROM ${events} e JOIN ${windows} w USING (log_id, log_partition)
     WHERE log_offset >= w.start_offset AND log_offset < w.next_offset
       AND (log_id, log_partition, log_offset) NOT IN (
         SELECT a.log_id, a.log_partition, a.log_offset
           FROM ${windows} w JOIN orderonce.dead_letter_audit a ON a.log_id = w.log_id
            AND a.log_partition = w.log_partition AND a.log_offset >= w.start_offset
            AND a.log_offset < w.next_offset
          WHERE a.outcome = 'stored')
     GROUP BY log_id, log_partition`;
