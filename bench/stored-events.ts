/** Fills the tables by SQL as a consumer would have, which is much faster than through a log. */
import type { Pool } from '../src/store/pool.ts';

const PARTITIONS = 6;
const PER_ORDER = 4;

/** Stores `events` events, four per order, and 1 % duplicates. The tables must be empty. */
export async function fillTables(pool: Pool, topic: string, events: number): Promise<void> {
  await pool.query('INSERT INTO logs (topic, topic_id) VALUES ($1, $1)', [topic]);
  await pool.query(
    `INSERT INTO processed_events (event_id, order_id, user_id, total_amount, occurred_at, digest,
       log_id, log_partition, log_offset, request_id)
     SELECT event_id, order_id, user_id, total_amount, occurred_at,
            sha256(convert_to(event_id || E'\\n' || order_id || E'\\n' || total_amount || E'\\n' ||
              to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ||
              E'\\n' || user_id, 'UTF8')),
            1, n % $2, n / $2, gen_random_uuid()
       FROM (SELECT n, gen_random_uuid() AS event_id,
                    md5((n / $3)::text)::uuid AS order_id, 'user-' || n % 1000 AS user_id,
                    ((n % 10000 + 1) / 100.0)::numeric(18, 4) AS total_amount,
                    timestamptz '2026-01-01' + n * interval '1 ms' AS occurred_at
               FROM generate_series(0, $1 - 1) n) e`,
    [events, PARTITIONS, PER_ORDER],
  );
  await pool.query(
    `INSERT INTO orders (order_id, user_id, total_amount, event_count, amount_sum, last_event_id,
       first_occurred_at, last_occurred_at, last_log_id, last_log_partition, last_log_offset)
     SELECT DISTINCT ON (order_id) order_id, user_id, total_amount, count(*) OVER o,
            sum(total_amount) OVER o, event_id, min(occurred_at) OVER o, max(occurred_at) OVER o,
            log_id, log_partition, log_offset
       FROM processed_events WINDOW o AS (PARTITION BY order_id)
      ORDER BY order_id, log_offset DESC, log_partition DESC`,
  );
  await pool.query(
    `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id, source)
     SELECT 1, log_partition,
            ends.next + row_number() OVER (PARTITION BY log_partition ORDER BY event_id) - 1,
            event_id, 'resent_same_process'
       FROM processed_events
       JOIN (SELECT log_partition, count(*) AS next FROM processed_events GROUP BY 1) ends
            USING (log_partition)
      WHERE log_offset % 100 = 0`,
  );
  await pool.query(
    `INSERT INTO consumer_positions (topic, log_partition, log_id, start_offset, next_offset)
     SELECT $1, log_partition, 1, 0, count(*) FROM (
       SELECT log_partition FROM processed_events UNION ALL SELECT log_partition FROM duplicates) r
      GROUP BY log_partition`,
    [topic],
  );
  await pool.query('ANALYZE');
}
