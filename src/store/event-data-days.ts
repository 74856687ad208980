import { DAYS_AHEAD } from './event-types.ts';
import type { Queryable } from './queryable.ts';

/**
 * Creates the daily partitions of event_data for the next days, as far as they do not exist. Without
 * them rows go into the default partition, which works, but cannot be dropped by age.
 * @returns how many were created.
 */
export async function createEventDataDays(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ created: number }>(
    'SELECT orderonce.create_event_data_days($1) AS created',
    [DAYS_AHEAD],
  );
  return rows[0]?.created ?? 0;
}
