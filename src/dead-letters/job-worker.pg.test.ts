import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, processAll } from '../../test/support/heart.ts';
import { poison, setUpLetters } from '../../test/support/letters.ts';
import { until } from '../../test/support/until.ts';
import { createLogger } from '../runtime/logger.ts';
import {
  findJob,
  insertJob,
  listJobs,
  type NewJob,
  noteProgress,
  releaseJob,
  stopJob,
  takeJob,
} from '../store/redrive-jobs.ts';
import { JobWorker } from './job-worker.ts';
import { discard, redrive } from './redrive.ts';

const JOB: NewJob = {
  ...{ action: 'redrive', filter: {}, places: null, until: null, total: 0, perSecond: null },
  ...{ askedBy: 'ann', reason: 'fixed' },
};

/**
 * Parks `letters` events of different orders, at the offsets 0, 2, 4 and so on. A good event follows
 * each of them, since nothing is parked while every event is refused. `next` is the offset behind.
 */
async function setUp(t: TestContext, letters: number) {
  const parts = await setUpLetters(t);
  const { pool, context, redriving } = parts;
  const events = Array.from({ length: letters }, () => [poison(), wireEvent()]).flat();
  const next = events.length;
  await processAll(context, sliceOfEvents(0, events));
  const logger = createLogger('silent');
  const worker = (owner = 'one') => {
    const { actor: _, ...redrives } = redriving;
    const made = new JobWorker({ db: pool, redrives, owner, logger });
    t.after(() => made.stop());
    return made;
  };
  const create = async (parts: Partial<NewJob> = {}) => {
    const job = await insertJob(pool, { ...JOB, total: letters, ...parts }, 100);
    assert.ok(job);
    return job.redriveId;
  };
  const job = async (id: number) => {
    const found = await findJob(pool, id);
    assert.ok(found);
    return found;
  };
  return { ...parts, next, worker, create, job };
}

/** As if the lease of the consumer had ended because it was killed. */
const END_LEASES = `UPDATE redrive_jobs SET lease_until = now() - interval '1 s'`;

describe('A redrive job', () => {
  it('redrives each that matches once, with those behind them, and counts how they end [G2] [G5]', async (t) => {
    const { pool, context, next, state, worker, create, job } = await setUp(t, 3);
    const order_id = randomUUID();
    const queue = [poison(order_id), wireEvent({ order_id }), wireEvent({ order_id })];
    await processAll(context, sliceOfEvents(next, [...queue, wireEvent()]));
    await processAll(context, sliceOfEvents(next + 4, ['garbage']));
    state.isFixed = true;
    const id = await create({ filter: { reason: 'refused_by_handler' }, total: 4 });
    await worker().work();
    const done = await job(id);
    assert.deepEqual(
      [done.state, done.tried, done.outcomes, done.owner],
      ['done', 4, { stored: 6 }, 'one'],
    );
    assert.deepEqual([await count(pool, 'ledger'), await count(pool, 'dead_letters')], [10, 1]);
    const { rows } = await pool.query('SELECT DISTINCT actor, redrive_id FROM dead_letter_audit');
    assert.deepEqual(rows, [{ actor: 'ann', redrive_id: id }]);
  });

  it('tries one that fails once, and neither those parked later nor what does not match', async (t) => {
    const { context, next, worker, create, job } = await setUp(t, 3);
    const id = await create();
    await processAll(context, sliceOfEvents(next, [poison(), wireEvent()]));
    await worker().work();
    const done = await job(id);
    assert.deepEqual([done.state, done.tried, done.outcomes], ['done', 3, { failed: 3 }]);
    const other = await create({ filter: { sqlstate: '23505' } });
    await worker().work();
    assert.equal((await job(other)).tried, 0);
  });

  it('tries only the first ones, or those at the given places in log order', async (t) => {
    const { pool, state, worker, create, job, place } = await setUp(t, 5);
    state.isFixed = true;
    const first = await create({ total: 2, until: place(2) });
    await worker().work();
    assert.deepEqual((await job(first)).outcomes, { stored: 2 });
    const places = [place(8), place(6), place(6), place(0)];
    const chosen = await create({ filter: null, places, total: 3 });
    await worker().work();
    assert.deepEqual((await job(chosen)).outcomes, { gone: 1, stored: 2 });
    const { rows } = await pool.query('SELECT log_offset FROM dead_letters');
    assert.deepEqual(rows, [{ log_offset: 4 }]);
  });

  it('discards for good, with the reason in the audit, and redrives those behind', async (t) => {
    const { pool, context, next, worker, create, job } = await setUp(t, 1);
    const order_id = randomUUID();
    await processAll(
      context,
      sliceOfEvents(next, [poison(order_id), wireEvent({ order_id }), wireEvent()]),
    );
    const id = await create({ action: 'discard', total: 2, reason: 'test events' });
    await worker().work();
    assert.deepEqual((await job(id)).outcomes, { discarded: 2, stored: 1 });
    const { rows } = await pool.query(
      `SELECT DISTINCT detail #>> '{}' AS why FROM dead_letter_audit WHERE action = 'discard'`,
    );
    assert.deepEqual(rows, [{ why: 'test events' }]);
  });

  it('continues in another consumer after its own was killed: none twice, none left out [G2]', async (t) => {
    const { pool, state, redriving, worker, create, job, place } = await setUp(t, 30);
    state.isFixed = true;
    const id = await create({ total: 30 });
    // The first consumer redrives ten, of which it has noted four, and is killed.
    const taken = await takeJob(pool, 'killed');
    assert.equal(taken?.redriveId, id);
    for (let offset = 0; offset < 10; offset++) {
      await redrive({ ...redriving, actor: 'ann', redriveId: id }, place(2 * offset));
    }
    const progress = { tried: 4, outcomes: { stored: 4 }, after: place(6), trouble: null };
    await noteProgress(pool, { redriveId: id, owner: 'killed' }, progress);
    await worker('two').work();
    assert.equal((await job(id)).owner, 'killed');
    await pool.query(END_LEASES);
    await worker('two').work();
    const done = await job(id);
    assert.deepEqual([done.state, done.owner, done.outcomes], ['done', 'two', { stored: 30 }]);
    assert.equal(await count(pool, 'ledger'), 60);
    // The one that was taken for dead learns that it has lost the job.
    const late = await noteProgress(pool, { redriveId: id, owner: 'killed' }, progress);
    assert.equal(late, null);
  });

  it('of the first ones never reaches others, and none twice, whenever its consumer was killed [G2]', async (t) => {
    const { pool, redriving, worker, create, job, place } = await setUp(t, 12);
    const killed = async (id: number, done: readonly number[], noted: number) => {
      await takeJob(pool, 'killed');
      for (const offset of done) {
        const { reason: why, ...of } = {
          ...redriving,
          actor: 'ann',
          redriveId: id,
          reason: 'test',
        };
        if ((await job(id)).action === 'discard') await discard(of, place(offset), why);
        else await redrive(of, place(offset));
      }
      const progress = { tried: noted, outcomes: {}, after: null, trouble: null };
      await noteProgress(pool, { redriveId: id, owner: 'killed' }, progress);
      await pool.query(END_LEASES);
      await worker('two').work();
      return await job(id);
    };
    // Three were discarded after the last progress was noted.
    const discards = { action: 'discard', reason: 'test', total: 5, until: place(8) } as const;
    const first = await killed(await create(discards), [0, 2, 4], 0);
    assert.deepEqual([first.state, first.tried, first.outcomes], ['done', 5, { discarded: 5 }]);
    // The handler still refuses these events. Two were tried after the last progress was noted.
    const places = [place(10), place(12), place(14), place(16)];
    const second = await killed(await create({ filter: null, places, total: 4 }), [10, 12], 0);
    assert.deepEqual([second.state, second.tried, second.outcomes], ['done', 4, { failed: 4 }]);
  });

  it('says how many others have changed since it was created', async (t) => {
    const { redriving, worker, create, job, place } = await setUp(t, 3);
    const id = await create();
    await redrive({ ...redriving, actor: 'ann' }, place(2));
    await worker().work();
    const { tried, outcomes } = await job(id);
    assert.deepEqual([tried, outcomes], [2, { failed: 2, changed: 1 }]);
  });

  it('stops when it is asked to, after the dead letter under way', async (t) => {
    const { pool, state, worker, create, job } = await setUp(t, 30);
    state.isFixed = true;
    const id = await create({ perSecond: 10 });
    const working = worker().work();
    await until('some were tried', async () => (await job(id)).tried > 0);
    const asked = await stopJob(pool, id, 'bob');
    assert.equal(asked?.state, 'stopping');
    await working;
    const stopped = await job(id);
    assert.deepEqual([stopped.state, stopped.stoppedBy], ['stopped', 'bob']);
    assert.ok(stopped.tried < 30, String(stopped.tried));
    assert.equal(await count(pool, 'ledger'), stopped.tried + 30);
    // One that nobody carries out stops immediately, and one that has ended stays as it is.
    const waiting = await create();
    assert.equal((await stopJob(pool, waiting, 'bob'))?.state, 'stopped');
    assert.equal((await stopJob(pool, id, 'eve'))?.stoppedBy, 'bob');
    assert.equal(await stopJob(pool, 99, 'bob'), null);
  });

  it('keeps to its rate', async (t) => {
    const { state, worker, create } = await setUp(t, 6);
    state.isFixed = true;
    await create({ perSecond: 20 });
    const began = performance.now();
    await worker().work();
    assert.ok(performance.now() - began >= 5 * 50);
  });

  it('is given back when its consumer stops, and another one finishes it', async (t) => {
    const { pool, state, worker, create, job } = await setUp(t, 30);
    state.isFixed = true;
    const id = await create({ perSecond: 50 });
    const first = worker('one');
    first.start();
    await until('some were tried', async () => (await job(id)).tried > 0);
    await first.stop();
    const given = await job(id);
    assert.deepEqual([given.state, given.owner], ['running', null]);
    assert.ok(given.tried < 30);
    await worker('two').work();
    assert.deepEqual((await job(id)).outcomes, { stored: 30 });
    assert.equal(await count(pool, 'ledger'), 60);
  });

  it('waits through an outage, says so, and resumes', async (t) => {
    const { pool, state, redriving, create, job } = await setUp(t, 3);
    state.isFixed = true;
    let failures = 2;
    const flaky = Object.create(pool, {
      connect: {
        value: async () => {
          if (failures-- > 0) throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
          return await pool.connect();
        },
      },
    });
    const id = await create();
    const seen = new Set<string | null>();
    const watch = setInterval(() => void job(id).then(({ trouble }) => seen.add(trouble)), 20);
    t.after(() => clearInterval(watch));
    const redrives = { ...redriving, pool: flaky };
    const logger = createLogger('silent');
    await new JobWorker({ db: pool, redrives, owner: 'one', logger }).work();
    clearInterval(watch);
    const done = await job(id);
    assert.deepEqual([done.state, done.outcomes, done.trouble], ['done', { stored: 3 }, null]);
    assert.ok(
      [...seen].some((trouble) => /gone/.test(trouble ?? '')),
      String([...seen]),
    );
  });
});

describe('The rows of jobs', () => {
  it('are taken by one consumer each, the oldest first', async (t) => {
    const { pool, create } = await setUp(t, 1);
    const ids = [await create(), await create(), await create()];
    const taken = await Promise.all(['a', 'b', 'c', 'd'].map((owner) => takeJob(pool, owner)));
    const found = taken.map((job) => job?.redriveId);
    assert.deepEqual(found.filter((id) => id !== undefined).sort(), ids);
    const [job] = taken;
    if (job) await releaseJob(pool, { redriveId: job.redriveId, owner: 'a' });
    assert.equal((await takeJob(pool, 'e'))?.redriveId, job?.redriveId);
  });

  it('are no more than allowed, and are listed with the newest first', async (t) => {
    const { pool, create } = await setUp(t, 1);
    const ids = [await create(), await create()];
    assert.equal(await insertJob(pool, JOB, 2), null);
    await stopJob(pool, ids[0] as number, 'ann');
    assert.notEqual(await insertJob(pool, JOB, 2), null);
    const page = await listJobs(pool, { limit: 2 });
    assert.deepEqual(page.length, 2);
    const rest = await listJobs(pool, { limit: 2, after: page[1]?.redriveId });
    assert.deepEqual(
      rest.map(({ redriveId }) => redriveId),
      [ids[0]],
    );
    assert.equal((await listJobs(pool, { limit: 9, state: 'stopped' })).length, 1);
  });
});
