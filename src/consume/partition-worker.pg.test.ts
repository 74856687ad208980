import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { throughProxy } from '../../test/support/database.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { OrderonceError } from '../errors.ts';
import { createLogger } from '../runtime/logger.ts';
import type { Pool } from '../store/pool.ts';
import { readPositions } from '../store/positions.ts';
import { PartitionWorker } from './partition-worker.ts';
import { Suspicion } from './suspicion.ts';
import { Turns } from './turns.ts';

/** A worker of partition 0. Its connections to PostgreSQL go through a proxy. */
async function setUp(t: TestContext) {
  const { pool, url, context } = await setUpHeart(t, 1);
  const { proxy, viaProxy } = await throughProxy(t, { url });
  const stopping = new AbortController();
  const start = async (through: Pool) => {
    const [position] = await readPositions(pool, context.topic);
    assert.ok(position);
    const worker = new PartitionWorker(position, {
      context: { ...context, pool: through },
      suspicion: new Suspicion(context, null, false),
      turns: new Turns({ connections: 1, batchMax: 100 }),
      batchMax: 100,
      logger: createLogger('silent'),
      signal: stopping.signal,
      onCommitted: () => {},
    });
    const running = worker.run();
    t.after(async () => {
      stopping.abort();
      await running;
    });
    return worker;
  };
  return { pool, proxy, viaProxy, start };
}

async function storedEvents(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ n: number }>('SELECT count(*) AS n FROM processed_events');
  return rows[0]?.n ?? -1;
}

describe('PartitionWorker', () => {
  it('continues when the reply to a COMMIT that succeeded is lost [G2] [G7]', async (t) => {
    const { pool, proxy, viaProxy, start } = await setUp(t);
    let committing = false;
    let lost = 0;
    proxy.fault = (direction, chunk) => {
      if (direction === 'up' && chunk.includes('COMMIT\0')) committing = true;
      if (direction === 'down' && committing) {
        committing = false;
        lost++;
        return lost === 1 ? 'cut' : 'pass';
      }
      return 'pass';
    };
    const worker = await start(viaProxy);
    const event = wireEvent();
    worker.buffer.add(sliceOfEvents(0, [event]));
    await until('the position was read again', () => worker.nextOffset === 1);
    await until('it runs, though nothing more comes', () => worker.status.state === 'running');
    worker.buffer.add(sliceOfEvents(1, [event, wireEvent()]));
    await until('the partition continues', () => worker.nextOffset === 3);
    assert.ok(lost >= 1);
    assert.equal(await storedEvents(pool), 2);
    assert.equal(worker.status.state, 'running');
  });

  it('tries again when the COMMIT itself is lost [G2]', async (t) => {
    const { pool, proxy, viaProxy, start } = await setUp(t);
    let lost = 0;
    proxy.fault = (direction, chunk) =>
      direction === 'up' && chunk.includes('COMMIT\0') && lost++ === 0 ? 'cut' : 'pass';
    const worker = await start(viaProxy);
    worker.buffer.add(sliceOfEvents(0, [wireEvent(), wireEvent()]));
    await until('both are stored', () => worker.nextOffset === 2);
    assert.ok(lost >= 2);
    assert.equal(await storedEvents(pool), 2);
  });

  it('waits out an outage, parks nothing, and says why meanwhile [G6]', async (t) => {
    const { pool, proxy, viaProxy, start } = await setUp(t);
    proxy.refuse();
    const worker = await start(viaProxy);
    worker.buffer.add(sliceOfEvents(0, [wireEvent()]));
    await until('it retries', () => worker.status.state === 'retrying');
    assert.match(worker.status.reason ?? '', /^DATABASE_UNAVAILABLE: /);
    proxy.heal();
    await until('it continues', () => worker.nextOffset === 1);
    const { since: _, ...status } = worker.status;
    assert.deepEqual(status, { state: 'running', code: null, reason: null, attempts: 0 });
    const { rows } = await pool.query('SELECT FROM dead_letters');
    assert.equal(rows.length, 0);
  });

  it('follows a position that another moves, and names a rival that persists [G7]', async (t) => {
    const { pool, start } = await setUp(t);
    const worker = await start(pool);
    // The other process always moves the position before the worker gets the record.
    for (let offset = 0; offset < 4; offset++) {
      await pool.query('UPDATE consumer_positions SET next_offset = next_offset + 1');
      worker.buffer.add(sliceOfEvents(offset, [wireEvent()]));
      await until('it follows', () => worker.nextOffset === offset + 1);
    }
    const reason = worker.status.reason ?? '';
    assert.match(reason, /^POSITION_MOVED: .*Another process keeps moving this position/);
    assert.equal(await storedEvents(pool), 0);
    worker.buffer.add(sliceOfEvents(4, [wireEvent()]));
    await until('it continues alone', () => worker.nextOffset === 5);
    assert.equal(worker.status.state, 'running');
  });

  it('continues behind a prefix that was committed alone, without a hole [G3]', async (t) => {
    const { pool, start } = await setUp(t);
    await pool.query('ALTER TABLE processed_events ADD CHECK (total_amount <> 666)');
    const worker = await start(pool);
    // More refused events than one transaction can isolate.
    const events = Array.from({ length: 100 }, (_, i) =>
      wireEvent(i % 4 === 1 ? { total_amount: '666' } : {}),
    );
    worker.buffer.add(sliceOfEvents(0, events));
    await until('the end is reached', () => worker.nextOffset === 100);
    const { rows } = await pool.query(
      `SELECT log_offset FROM processed_events UNION ALL SELECT log_offset FROM dead_letters
        ORDER BY log_offset`,
    );
    assert.deepEqual(
      rows.map((row) => row.log_offset),
      events.map((_, i) => i),
    );
    assert.equal(await storedEvents(pool), 75);
  });

  it('stays stopped when a batch that was under way commits after the halt [G3]', async (t) => {
    const { pool, start } = await setUp(t);
    const lock = await pool.connect();
    await lock.query('BEGIN; SELECT FROM consumer_positions FOR UPDATE');
    const worker = await start(pool);
    worker.buffer.add(sliceOfEvents(0, [wireEvent()]));
    await until('the batch is under way', async () => {
      const { rows } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return rows.length > 0;
    });
    worker.halt(new OrderonceError('LOG_RECREATED', 'another log'));
    await lock.query('ROLLBACK');
    lock.release();
    await until('the batch commits', () => worker.nextOffset === 1);
    assert.equal(worker.status.state, 'stopped');
    assert.equal(worker.wantsRecords, false);
  });

  it('makes batches smaller when a statement times out [G10]', async (t) => {
    const { pool, start } = await setUp(t);
    // Fails large batches with the SQLSTATE of a time-out.
    await pool.query(
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN IF (SELECT count(*) FROM new_rows) > 30 THEN
           RAISE EXCEPTION 'canceling statement' USING ERRCODE = '57014';
         END IF; RETURN NULL; END $$`,
    );
    await pool.query(
      `CREATE TRIGGER slow AFTER INSERT ON processed_events REFERENCING NEW TABLE AS new_rows
         FOR EACH STATEMENT EXECUTE FUNCTION slow()`,
    );
    const worker = await start(pool);
    worker.buffer.add(
      sliceOfEvents(
        0,
        Array.from({ length: 100 }, () => wireEvent()),
      ),
    );
    await until('all are stored', () => worker.nextOffset === 100);
    assert.equal(await storedEvents(pool), 100);
  });
});
