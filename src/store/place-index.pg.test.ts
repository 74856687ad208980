/** The index of places is built beside writers, repaired when a build was cut off, and built once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDatabase, openPool } from '../../test/support/database.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { contextIn } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { migrate } from './migrate.ts';
import { readPlaceIndex } from './place-index.ts';

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
});
