/** The index of places is built beside writers, repaired when a build was cut off, and built once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDatabase, openPool } from '../../test/support/database.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { contextIn } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { migrate } from './migrate.ts';
import { readPlaceIndex, summarisePlaces } from './place-index.ts';

describe('The index of places', () => {
  it('is there in a new database', async (t) => {
    const { pool } = await createDatabase(t);
    assert.equal(await readPlaceIndex(pool), 'ready');
  });

  it('is built in a table that others write to, by one of those who try at once', async (t) => {
    const { pool, url } = await createDatabase(t);
    await pool.query('DROP INDEX processed_events_place');
    const context = await contextIn(pool, 1);
    await processBatch(context, sliceOfEvents(0, [wireEvent()]));
    // This transaction has written and is open, so a build waits for it.
    const writer = await pool.connect();
    await writer.query('BEGIN');
    await writer.query('UPDATE processed_events SET event_id = event_id WHERE false');
    const others = [openPool(url), openPool(url)];
    t.after(() => Promise.all(others.map((other) => other.end())));
    const building = Promise.all(others.map((other) => migrate(other)));
    await until('a build waits', async () => (await readPlaceIndex(pool)) === 'building');
    await processBatch(context, sliceOfEvents(1, [wireEvent()]));
    await writer.query('ROLLBACK');
    writer.release();
    await building;
    assert.equal(await readPlaceIndex(pool), 'ready');
  });

  it('is built again if a build was cut off', async (t) => {
    const { pool } = await createDatabase(t);
    await pool.query(
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'processed_events_place'::regclass`,
    );
    assert.equal(await readPlaceIndex(pool), 'invalid');
    await migrate(pool);
    assert.equal(await readPlaceIndex(pool), 'ready');
  });

  it('gets the summaries of full ranges of pages at once, once each, without waiting for others', async (t) => {
    const { pool } = await createDatabase(t);
    assert.equal(await summarisePlaces(pool, 0), 0);
    await pool.query(
      `INSERT INTO processed_events (event_id, order_id, user_id, total_amount, occurred_at, digest,
         log_id, log_partition, log_offset)
       SELECT gen_random_uuid(), gen_random_uuid(), 'u', 1, now(), '', 1, 0, n FROM generate_series(1, 20000) n`,
    );
    const unsummarised = async () => {
      const { rows } = await pool.query<{ pages: number }>(
        `SELECT sum(brin_summarize_range('processed_events_place', page)) * 128 AS pages
           FROM generate_series(0, 128, 128) page`,
      );
      return rows[0]?.pages;
    };
    const vacuum = await pool.connect();
    await vacuum.query('BEGIN; LOCK TABLE processed_events IN SHARE UPDATE EXCLUSIVE MODE');
    assert.equal(await summarisePlaces(pool, 0), 0);
    await vacuum.query('ROLLBACK');
    vacuum.release();
    const to = await summarisePlaces(pool, 0);
    assert.ok(to >= 256 && to % 128 === 0, `${to}`);
    assert.equal(Number(await unsummarised()), 0);
    assert.equal(await summarisePlaces(pool, to), to);
    await pool.query('TRUNCATE processed_events');
    assert.equal(
      await summarisePlaces(pool, to),
      0,
      'and begins again in a table that was emptied',
    );
  });
});
