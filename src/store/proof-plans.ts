/** How PostgreSQL plans the queries of the continuous proof, for one transaction. */
import type { Transaction } from './queryable.ts';

/**
 * Small parts of large tables: the planner, which does not know how few rows a part has, must not
 * read a whole table. One core is enough.
 */
export async function readByIndexes(tx: Transaction): Promise<void> {
  await tx.query(
    `SET LOCAL enable_seqscan = off; SET LOCAL jit = off; SET LOCAL work_mem = '32MB';
     SET LOCAL max_parallel_workers_per_gather = 0`,
  );
}

/** Reads the whole table of stored events: an index of the kind BRIN is read by bitmap scans only. */
export async function readWithoutPlaceIndex(tx: Transaction): Promise<void> {
  await tx.query('SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off');
}
