import { OrderonceError } from '../errors.ts';
import type { Queryable } from './queryable.ts';

/**
 * Checks that the database accepts writes, which a health check that only reads would not notice.
 * @throws DATABASE_UNAVAILABLE on a standby, or while default_transaction_read_only is on.
 */
export async function assertWritable(db: Queryable): Promise<void> {
  const { rows } = await db.query<{ isReadOnly: boolean; isStandby: boolean }>(
    `SELECT pg_catalog.current_setting('transaction_read_only') = 'on' AS "isReadOnly",
            pg_catalog.pg_is_in_recovery() AS "isStandby"`,
  );
  if (!rows[0]?.isReadOnly) return;
  const why = rows[0].isStandby ? 'it is a standby' : 'default_transaction_read_only is on';
  throw new OrderonceError('DATABASE_UNAVAILABLE', `PostgreSQL accepts no writes: ${why}`);
}
