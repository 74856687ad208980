/** Lost replies, and how long it takes in each phase until they are noticed. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createDatabase, throughProxy } from '../../test/support/database.ts';
import { until } from '../../test/support/until.ts';
import { createPool } from './pool.ts';
import { inTransaction } from './transaction.ts';

const LIMITS = { lockMs: 3000, statementMs: 20_000, idleMs: 5000 };
/** The longest time from the loss to the error, on a slow machine. */
const FOUND_MS = 4800;

async function setUp(t: TestContext, queryTimeoutMs = 30_000) {
  const db = await createDatabase(t);
  await db.pool.query('CREATE TABLE things (id int)');
  const { proxy, url } = await throughProxy(t, db);
  const limits = { connectionsMax: 2, queryTimeoutMs };
  const pool = createPool({ connectionString: url, name: 'test', ...limits });
  t.after(() => pool.end());
  /** Loses the answer to the next message that contains `text`. */
  const loseAnswerTo = (text: string) => {
    let isAsked = false;
    let isLost = false;
    proxy.fault = (direction, chunk) => {
      if (direction === 'up') isAsked ||= chunk.includes(text);
      else if (isAsked && !isLost) {
        isLost = true;
        return 'swallow';
      }
      return 'pass';
    };
  };
  return { db, proxy, pool, loseAnswerTo };
}

async function msUntilRejected(work: Promise<unknown>): Promise<number> {
  const started = performance.now();
  await assert.rejects(work);
  return performance.now() - started;
}

describe('A lost reply', () => {
  for (const [phase, text] of [
    ['BEGIN', 'BEGIN'],
    ['a statement', 'INSERT'],
    // With the terminating zero, because "READ COMMITTED" must not match.
    ['COMMIT', 'COMMIT\0'],
  ] as const) {
    it(`to ${phase} is found in seconds, and the next attempt succeeds [G6]`, async (t) => {
      const { pool, db, loseAnswerTo } = await setUp(t);
      await pool.query('SELECT 1');
      const insert = () =>
        inTransaction(pool, LIMITS, (tx) => tx.query('INSERT INTO things VALUES (1)'));
      loseAnswerTo(text);
      const ms = await msUntilRejected(insert());
      assert.ok(ms < FOUND_MS, `found after ${ms} ms`);
      await insert();
      const { rows } = await db.pool.query('SELECT count(*) AS n FROM things');
      assert.equal(rows[0].n, phase === 'COMMIT' ? 2 : 1);
    });
  }

  it('is not suspected where the server works on the statement, or waits for a lock', async (t) => {
    const { pool, db } = await setUp(t);
    await pool.query('SELECT pg_sleep(4)');
    const holder = await db.pool.connect();
    await holder.query('BEGIN; LOCK TABLE things');
    const waiting = pool.query('INSERT INTO things VALUES (1)');
    await pool.query('SELECT pg_sleep(3)');
    await holder.query('COMMIT');
    holder.release();
    await waiting;
  });
});

describe('A black hole, which takes connections and never answers', () => {
  it('is given up in seconds by each phase, and found gone in seconds [G6]', async (t) => {
    const { pool, proxy } = await setUp(t, 2000);
    await pool.query('SELECT 1');
    let swallowed = 0;
    proxy.fault = () => {
      swallowed++;
      return 'swallow';
    };
    for (const phase of ['statement', 'connection', 'connection again']) {
      const ms = await msUntilRejected(pool.query('SELECT 1'));
      assert.ok(ms < 3500, `${phase}: given up after ${ms} ms`);
    }
    // The worst moment: an attempt is under way whose answer is lost.
    const before = swallowed;
    const hopeless = assert.rejects(pool.query('SELECT 1'));
    await until('it is under way', () => swallowed > before);
    proxy.heal();
    const started = performance.now();
    await until('it answers', () => pool.query('SELECT 1').then(() => true));
    const ms = performance.now() - started;
    assert.ok(ms < 4000, `found after ${ms} ms`);
    await hopeless;
  });
});
