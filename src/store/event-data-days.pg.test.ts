import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { createEventDataDays } from './event-data-days.ts';
import { DAYS_AHEAD } from './event-types.ts';

const STORE = `INSERT INTO event_data (log_id, log_partition, log_offset, event_type, event_version)
  VALUES (1, 0, $1, 'order.placed', 1)`;

describe('The days of event_data', () => {
  it('are created without holding up events, and later where a long report reads all days [G6]', async (t) => {
    const { pool } = await createDatabase(t);
    const report = await pool.connect();
    await report.query('BEGIN');
    await report.query('SELECT count(*) FROM event_data');
    // The report's lock on the default partition is the one that a new day waits for.
    const creating = createEventDataDays(pool);
    await pool.query(STORE, [0]);
    assert.equal(await creating, 0);
    await report.query('COMMIT');
    report.release();
    await pool.query('DELETE FROM event_data');
    assert.equal(await createEventDataDays(pool), DAYS_AHEAD + 1);
    assert.equal(await createEventDataDays(pool), 0);
    await pool.query(STORE, [1]);
    const { rows } = await pool.query('SELECT tableoid::regclass::text AS day FROM event_data');
    assert.match(rows[0]?.day, /^event_data_\d{8}$/);
  });

  it('hold up no event while one is attached', async (t) => {
    const { pool } = await createDatabase(t);
    assert.equal(await createEventDataDays(pool), DAYS_AHEAD + 1);
    await pool.query(`DROP TABLE event_data_${await lastDay(pool)}`);
    const writer = await pool.connect();
    await writer.query('BEGIN');
    await writer.query(STORE, [0]);
    assert.equal(await createEventDataDays(pool), 1, 'a transaction that stores is no hindrance');
    await writer.query('COMMIT');
    writer.release();
  });
});

async function lastDay(pool: Awaited<ReturnType<typeof createDatabase>>['pool']): Promise<string> {
  const { rows } = await pool.query<{ day: string }>(
    `SELECT max(substr(relname, 12)) AS day FROM pg_class WHERE relname ~ '^event_data_[0-9]{8}$'`,
  );
  return rows[0]?.day ?? '';
}
