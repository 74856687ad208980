/** Who proves, when it waits, and that it can with the rights of a consumer. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setUpAccount } from '../../test/support/account-faults.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { FakeReader } from '../../test/support/fake-reader.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { asRole } from '../../test/support/roles.ts';
import { until } from '../../test/support/until.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { createLogger } from '../runtime/logger.ts';
import { ORDERS } from '../store/orders-projection.ts';
import { summarisePlaces } from '../store/place-index.ts';
import type { Pool } from '../store/pool.ts';
import { takeProofLease } from '../store/proof-progress.ts';
import { readProofSummary } from '../store/proof-summary.ts';
import { ProofWorker } from './proof-worker.ts';

const workerOf = (pool: Pool, owner: string, parts: { projection?: null } = {}) =>
  new ProofWorker({
    pool,
    reader: new FakeReader(2),
    owner,
    logger: createLogger('silent'),
    projection: ORDERS,
    intervalMs: 1,
    roundMs: 1,
    restMs: 1,
    ...parts,
  });

/** Lets it work until it has made a round. */
async function untilRound(t: TestContext, pool: Pool, worker: ProofWorker): Promise<void> {
  worker.start();
  t.after(() => worker.stop());
  await until(
    'a round is made',
    async () => (await readProofSummary(pool)).full_age_seconds !== null,
  );
}

describe('The worker of the proof', () => {
  it('one has the lease; the next takes over when it stops', async (t) => {
    const { pool } = await setUpAccount(t);
    const [first, second] = [workerOf(pool, 'first'), workerOf(pool, 'second')];
    await first.turn();
    await second.turn();
    assert.equal((await readProofSummary(pool)).owner, 'first');
    assert.equal((await readProofSummary(pool)).behind_records, 0);
    await first.stop();
    await second.turn();
    assert.equal((await readProofSummary(pool)).owner, 'second');
  });

  it('goes on where the index cannot be summarised', async (t) => {
    const { pool } = await setUpAccount(t);
    // Pages without rows count as well.
    await pool.query(
      `BEGIN; INSERT INTO processed_events (event_id, order_id, user_id, total_amount, occurred_at, digest,
         log_id, log_partition, log_offset)
       SELECT gen_random_uuid(), gen_random_uuid(), 'u', 1, now(), '', 1, 7, n FROM generate_series(1, 20000) n;
       ROLLBACK; ALTER FUNCTION pg_catalog.brin_summarize_range (regclass, bigint) RENAME TO gone`,
    );
    await assert.rejects(summarisePlaces(pool, 0), /brin_summarize_range/);
    const worker = workerOf(pool, 'first');
    await untilRound(t, pool, worker);
    const { behind_records, trouble } = await readProofSummary(pool);
    assert.deepEqual({ behind_records, trouble }, { behind_records: 0, trouble: null });
  });

  it('a lease from before the clock of the database was set back does not count', async (t) => {
    const { pool } = await setUpHeart(t);
    assert.ok(await takeProofLease(pool, 'first', 60_000));
    assert.equal(await takeProofLease(pool, 'second', 60_000), false);
    await pool.query(`UPDATE proof_worker SET lease_until = now() + interval '1 day'`);
    assert.ok(await takeProofLease(pool, 'second', 60_000));
  });

  it('two that believe to have the lease add nothing twice [G3]', async (t) => {
    const { pool, context } = await setUpHeart(t, 1);
    await processBatch(
      context,
      sliceOfEvents(
        0,
        Array.from({ length: 30 }, () => wireEvent()),
      ),
    );
    const workers = [workerOf(pool, 'one'), workerOf(pool, 'one')];
    await Promise.all(workers.map((worker) => untilRound(t, pool, worker)));
    const { rows } = await pool.query('SELECT stored FROM proof_segments');
    assert.deepEqual(rows, [{ stored: 30 }]);
    assert.deepEqual((await readProofSummary(pool)).findings, {});
  });

  it('proves with the rights of a consumer, which cannot remove a finding', async (t) => {
    const { pool: owner, url } = await setUpHeart(t);
    const pool = await asRole(t, { pool: owner, url }, 'orderonce_consumer');
    await owner.query(
      `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
       VALUES (7, 0, 0, gen_random_uuid())`,
    );
    await untilRound(t, owner, workerOf(pool, 'worker'));
    const { findings, trouble } = await readProofSummary(owner);
    assert.deepEqual([findings, trouble], [{ orphan: 1, unowned: 1 }, null]);
    await assert.rejects(pool.query('DELETE FROM proof_findings'), { code: '42501' });
  });

  it('waits for the index, and says so', async (t) => {
    const { pool } = await setUpAccount(t);
    await pool.query('DROP INDEX processed_events_place');
    const worker = workerOf(pool, 'worker');
    await worker.turn();
    const { trouble, head_age_seconds } = await readProofSummary(pool);
    assert.match(trouble ?? '', /is missing: run "orderonce migrate"/);
    assert.equal(head_age_seconds, null);
  });

  it('examines no orders where that table is not kept', async (t) => {
    const { pool } = await setUpAccount(t);
    await pool.query('DROP TABLE orders');
    await untilRound(t, pool, workerOf(pool, 'worker', { projection: null }));
    assert.deepEqual((await readProofSummary(pool)).findings, {});
  });

  it('says in health what was found', async (t) => {
    const { pool } = await setUpAccount(t);
    await pool.query('UPDATE orders SET event_count = event_count + 1 WHERE event_count = 2');
    const worker = workerOf(pool, 'worker');
    await worker.turn();
    await worker.turn();
    assert.match(worker.warnings.join(), /contradicts the account \(1 effect\)/);
  });
});
