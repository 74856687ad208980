/**
 * The index processed_events_place, by which the continuous proof finds the stored events of a range
 * of offsets. Migration 0015 creates it in an empty table. In any other table the build must not
 * block the writers, so it is CREATE INDEX CONCURRENTLY, which cannot run in the transaction of
 * `migrate` (PostgreSQL manual, CREATE INDEX, "Building Indexes Concurrently").
 */
import { pause } from '../runtime/backoff.ts';
import { long } from './long-statements.ts';
import type { Pool } from './pool.ts';
import type { Queryable } from './queryable.ts';
import { USUAL_SCHEMA } from './schema.ts';
import { sqlStateOf } from './sqlstate.ts';
import { quoted } from './statements.ts';
import { inTransaction } from './transaction.ts';

const POLL_MS = 200;
/** How long a build waits for a lock or for a transaction of others. */
const WAIT_MS = 30_000;
/** duplicate_table and unique_violation: another process has begun the build; deadlock_detected. */
const OTHER_BUILDS = /^(42P07|23505|40P01)$/;
const LOCK_TIMEOUT = '55P03';
/** How many pages of the table a summary in the index covers: the default of pages_per_range. */
const SUMMARY_PAGES = 128;
/** How far before the end of the table summaries are added. Older ones have long had an autovacuum. */
const SUMMARIES_MAX = 100;
const SUMMARIES_MS = 1000;
/**
 * The lock is given up before deadlock_timeout (1 s), when a wait for it would cancel an autovacuum.
 * The statement takes milliseconds; if it were cut off, its range would stay without a summary.
 */
const SUMMARY_LIMITS = { lockMs: 100, statementMs: 60_000, idleMs: 5000 };

export type PlaceIndexState =
  | 'ready'
  /** A process builds it now. */
  | 'building'
  /** A build failed or was interrupted. Each insert still maintains it. */
  | 'invalid'
  | 'missing';

export async function readPlaceIndex(db: Queryable): Promise<PlaceIndexState> {
  const { rows } = await db.query<{ state: PlaceIndexState }>(
    `SELECT CASE WHEN i.indisvalid THEN 'ready'
                 WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index b
                               WHERE b.index_relid = i.indexrelid) THEN 'building'
                 ELSE 'invalid' END AS state
       FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      WHERE i.indrelid = $name$orderonce.processed_events$name$::regclass
        AND c.relname = 'processed_events_place'`,
  );
  return rows[0]?.state ?? 'missing';
}

/**
 * Builds the index unless it is ready. Writers are not blocked. The build waits for each transaction
 * that is open when it begins, but not longer than WAIT_MS: then the index stays invalid, the proof
 * waits for it, and the next call tries again. If several processes call this at the same time, one
 * builds and the others wait.
 *
 * @param pool whose schema is known. Its role must own the table.
 * @returns the state of the index afterwards.
 */
export async function ensurePlaceIndex(pool: Pool): Promise<PlaceIndexState> {
  for (;;) {
    const state = await readPlaceIndex(pool);
    if (state === 'ready') return state;
    try {
      if (state !== 'building') await build(pool);
      else await pause(POLL_MS);
    } catch (error) {
      const sqlState = sqlStateOf(error) ?? '';
      if (sqlState === LOCK_TIMEOUT) return await readPlaceIndex(pool);
      if (!OTHER_BUILDS.test(sqlState)) throw error;
      await pause(POLL_MS);
    }
  }
}

/**
 * Adds the summaries of full ranges of pages to the index. Autovacuum does so as well, but only once
 * a minute, and each search reads all pages that have no summary. The last range is left out: each
 * insert would have to change its summary. Only the owner of the table may do this (PostgreSQL
 * manual, "BRIN Indexes: Index Maintenance"); for another role nothing happens.
 *
 * @param from the page up to which an earlier call has come; 0 at first.
 * @returns the page up to which this call has come. It ends early when its time is over, or while
 * another process maintains the table.
 * @throws whatever failed.
 */
export async function summarisePlaces(pool: Pool, from: number): Promise<number> {
  const { rows } = await pool.query<{ pages: number }>(
    `SELECT pg_relation_size(oid) / current_setting('block_size')::int AS pages FROM pg_catalog.pg_class
      WHERE oid = $name$orderonce.processed_events$name$::regclass AND pg_has_role(relowner, 'USAGE')`,
  );
  const end = Math.floor((rows[0]?.pages ?? 0) / SUMMARY_PAGES) * SUMMARY_PAGES;
  const endAt = performance.now() + SUMMARIES_MS;
  // A table that was emptied or compacted is shorter than it was.
  let page = Math.max(from > end ? 0 : from, end - SUMMARIES_MAX * SUMMARY_PAGES);
  for (; page < end && performance.now() < endAt; page += SUMMARY_PAGES) {
    if (!(await summarise(pool, page))) break;
  }
  return page;
}

async function summarise(pool: Pool, page: number): Promise<boolean> {
  try {
    await inTransaction(pool, SUMMARY_LIMITS, async (tx) => {
      const index = '$name$orderonce.processed_events_place$name$';
      await tx.query(`SELECT brin_summarize_range(${index}::regclass, $1::bigint)`, [page]);
    });
    return true;
  } catch (error) {
    if (sqlStateOf(error) === LOCK_TIMEOUT) return false;
    throw error;
  }
}

/** On a session of its own, because these statements cannot run in a transaction. */
async function build(pool: Pool): Promise<void> {
  const schema = quoted(pool.schema ?? USUAL_SCHEMA);
  const client = await pool.connect();
  try {
    for (const text of [
      `SET statement_timeout = 0; SET lock_timeout = ${WAIT_MS}`,
      `DROP INDEX CONCURRENTLY IF EXISTS ${schema}.processed_events_place`,
      `CREATE INDEX CONCURRENTLY processed_events_place ON ${schema}.processed_events
         USING brin (((log_partition::bigint << 44) + log_offset) int8_minmax_multi_ops (values_per_range = 64))
         WITH (autosummarize = on)`,
    ]) {
      await client.query(long(text));
    }
  } finally {
    // Its settings must not remain in the pool.
    client.release(true);
  }
}
