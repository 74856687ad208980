/**
 * Where the patrol is, in the table proof_worker. The patrol visits each proven segment of each
 * partition again, and then the pages of each table, in rows that belong to no segment.
 */
import type { PagedTable } from './account-parts.ts';
import { POSITIONS } from './account-scope.ts';
import type { Pool } from './pool.ts';
import { SEGMENT, type SegmentPlace } from './proof-progress.ts';
import type { Queryable, Transaction } from './queryable.ts';

/** How many pages of a table a step reads. Of each order all events are read. */
const PAGES: Readonly<Record<PagedTable, number>> = {
  processed_events: 1000,
  duplicates: 1000,
  conflicts: 1000,
  dead_letters: 1000,
  log_gaps: 1000,
  orders: 100,
  held_orders: 100,
  outbox: 1000,
};

/** A step: a segment that the head has proven, at least in part; or pages of a table. */
export type PatrolStep =
  | (SegmentPlace & { readonly part: 'segments' })
  | { readonly part: PagedTable; readonly from: number; readonly to: number }
  /** Data at places that no position covers. */
  | { readonly part: 'event_data' };

/** What a round visits. */
export type PatrolPart = PatrolStep['part'];

/** The last step that was made of the round; null if the round begins now. */
export async function lastStep(db: Queryable): Promise<PatrolStep | null> {
  const { rows } = await db.query<{ patrol: PatrolStep | null }>(
    'SELECT patrol FROM orderonce.proof_worker',
  );
  return rows[0]?.patrol ?? null;
}

/**
 * @param last the step before.
 * @param parts what the round visits after the segments.
 * @returns null if the round has ended.
 */
export async function nextStep(
  tx: Transaction,
  last: PatrolStep | null,
  parts: readonly PatrolPart[],
): Promise<PatrolStep | null> {
  if (last === null || last.part === 'segments') {
    const segment = await nextSegment(tx, last);
    if (segment !== null) return { part: 'segments', ...segment };
  }
  const first = last === null ? 0 : parts.indexOf(last.part);
  for (const part of parts.slice(Math.max(first, 0))) {
    const isLast = last?.part === part;
    if (part === 'segments' || (part === 'event_data' && isLast)) continue;
    if (part === 'event_data') return { part };
    const from = isLast && 'to' in last ? last.to : 0;
    if (from < (await pagesOf(tx, part))) return { part, from, to: from + PAGES[part] };
  }
  return null;
}

/** The segment after the last one, in the order of log, partition and offset. */
async function nextSegment(
  tx: Transaction,
  last: SegmentPlace | null,
): Promise<SegmentPlace | null> {
  const { rows } = await tx.query<SegmentPlace>(
    `SELECT log_id AS "logId", log_partition AS partition, first / ${SEGMENT} AS segment
       FROM (SELECT log_id, log_partition, head_to,
                    CASE WHEN (log_id, log_partition) = ($1::int, $2::int)
                         THEN greatest(($3::bigint + 1) * ${SEGMENT}, start_offset)
                         ELSE start_offset END AS first
               FROM (${POSITIONS}) p JOIN orderonce.proof_progress g USING (log_id, log_partition)
              WHERE $1::int IS NULL OR (log_id, log_partition) >= ($1::int, $2::int)) p
      WHERE first < head_to ORDER BY log_id, log_partition LIMIT 1`,
    [last?.logId ?? null, last?.partition ?? null, last?.segment ?? null],
  );
  return rows[0] ?? null;
}

async function pagesOf(tx: Transaction, table: PagedTable): Promise<number> {
  const { rows } = await tx.query<{ pages: number }>(
    `SELECT pg_relation_size($name$orderonce.${table}$name$::regclass) / current_setting('block_size')::int AS pages`,
  );
  return rows[0]?.pages ?? 0;
}

/** About how many steps a round has, from the sizes that PostgreSQL last noted. */
export async function countSteps(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ steps: number }>(
    `SELECT (SELECT coalesce(sum((next_offset - start_offset) / ${SEGMENT} + 1), 0) FROM (${POSITIONS}) p)::bigint
          + (SELECT coalesce(sum(greatest(relpages, 0) / t.pages + 1), 0)
               FROM unnest($1::text[], $2::int[]) AS t (name, pages)
               JOIN pg_catalog.pg_class c ON c.relname = t.name
              WHERE c.relnamespace = (SELECT relnamespace FROM pg_catalog.pg_class
                                       WHERE oid = $name$orderonce.processed_events$name$::regclass)
            )::bigint AS steps`,
    [Object.keys(PAGES), Object.values(PAGES)],
  );
  return rows[0]?.steps ?? 1;
}

/** Notes that a step of the round was made. The first one begins the round. */
export async function saveStep(pool: Pool, step: PatrolStep, isFirst: boolean): Promise<void> {
  await pool.query(
    `UPDATE orderonce.proof_worker SET patrol = $1::jsonb,
            round_started_at = CASE WHEN $2 THEN now() ELSE round_started_at END`,
    [JSON.stringify(step), isFirst],
  );
}

/** Notes that the round has ended: what was there when it began is proven. */
export async function endRound(pool: Pool): Promise<void> {
  await pool.query(
    'UPDATE orderonce.proof_worker SET patrol = NULL, proven_at = coalesce(round_started_at, now()), round_started_at = NULL',
  );
}
