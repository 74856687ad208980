import { POSITIONS } from './account-scope.ts';
import type { Transaction } from './queryable.ts';

/** How many records of a partition have each outcome, between its start and its position. */
export type PartitionAccount = {
  readonly topic: string;
  readonly logId: number;
  readonly partition: number;
  readonly start: number;
  readonly position: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly parked: number;
  readonly waiting: number;
  readonly discarded: number;
  /** Offsets that hold no record. */
  readonly withoutRecord: number;
  /** The partition belongs to a log that no longer exists or was cut; its account is closed. */
  readonly closed: boolean;
};

/** The accounts of all partitions, in the order of topic, log and partition. */
export async function readAccounts(tx: Transaction): Promise<PartitionAccount[]> {
  const { rows } = await tx.query<PartitionAccount>(
    `WITH counts AS (
       SELECT log_id, log_partition, kind, sum(n)::bigint AS n FROM (
         SELECT log_id, log_partition, 'stored' AS kind, count(*) AS n FROM orderonce.processed_events GROUP BY 1, 2
         UNION ALL SELECT log_id, log_partition, 'duplicate', count(*) FROM orderonce.duplicates GROUP BY 1, 2
         UNION ALL SELECT log_id, log_partition, 'conflict', count(*) FROM orderonce.conflicts GROUP BY 1, 2
         UNION ALL SELECT log_id, log_partition, state, count(*) FROM orderonce.dead_letters GROUP BY 1, 2, 3
         UNION ALL SELECT log_id, log_partition, 'gap', sum(to_offset - from_offset)::bigint
                     FROM orderonce.log_gaps GROUP BY 1, 2
       ) each GROUP BY 1, 2, 3
     )
     SELECT p.topic, p.log_id AS "logId", p.log_partition AS partition, p.start_offset AS start,
            p.next_offset AS position,
            coalesce(sum(n) FILTER (WHERE kind = 'stored'), 0)::bigint AS stored,
            coalesce(sum(n) FILTER (WHERE kind = 'duplicate'), 0)::bigint AS duplicates,
            coalesce(sum(n) FILTER (WHERE kind = 'conflict'), 0)::bigint AS conflicts,
            coalesce(sum(n) FILTER (WHERE kind = 'parked'), 0)::bigint AS parked,
            coalesce(sum(n) FILTER (WHERE kind = 'waiting'), 0)::bigint AS waiting,
            coalesce(sum(n) FILTER (WHERE kind = 'discarded'), 0)::bigint AS discarded,
            coalesce(sum(n) FILTER (WHERE kind = 'gap'), 0)::bigint AS "withoutRecord",
            p.closed
       FROM (${POSITIONS}) p LEFT JOIN counts c USING (log_id, log_partition)
      GROUP BY p.topic, p.log_id, p.log_partition, p.start_offset, p.next_offset, p.closed
      ORDER BY p.topic, p.log_id, p.log_partition`,
  );
  return rows;
}
