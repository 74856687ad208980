/** What the consumer service says of itself while it starts, and while a part of it does not work. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { createDatabase } from '../../test/support/database.ts';
import { wireEvent } from '../../test/support/events.ts';
import { FakeReader } from '../../test/support/fake-reader.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { createLogger } from '../runtime/logger.ts';
import { startConsumer } from './consumer-service.ts';

async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  const reader = new FakeReader(2);
  const start = async () => {
    const service = await startConsumer(testSettings(), db.url, reader, createLogger('silent'));
    t.after(() => service.stop());
    const health = async (path = '') => {
      const answer = await fetch(`http://127.0.0.1:${service.port}/health${path}`);
      const { detail = '' } = (await answer.json()) as { detail?: string };
      return { code: answer.status, detail };
    };
    return health;
  };
  return { db, reader, start };
}

describe('The health of the consumer service', () => {
  it('is red until the consumer joins its group, at every moment', async (t) => {
    const { db, start } = await setUp(t);
    const blocker = new pg.Client({ connectionString: db.url });
    await blocker.connect();
    // Between the checks of tables and topic, and the join, the service writes down its handlers.
    await blocker.query('BEGIN; LOCK TABLE deployment_handlers IN ACCESS EXCLUSIVE MODE');
    const health = await start();
    const isWaiting = async () => {
      const { rows } = await blocker.query("SELECT FROM pg_locks WHERE NOT granted AND mode <> ''");
      return rows.length > 0;
    };
    await until('it waits to write down its handlers', isWaiting);
    assert.equal((await health()).code, 503);
    await blocker.end();
    await until('it is healthy', async () => (await health()).code === 200);
  });

  it('stays ready for a load balancer while one partition is stopped and another works', async (t) => {
    const { db, reader, start } = await setUp(t);
    const health = await start();
    await until('it is healthy', async () => (await health()).code === 200);
    // A constraint of its own keeps the position of one partition from moving.
    await db.pool.query(
      `ALTER TABLE consumer_positions ADD CHECK (log_partition <> 0 OR next_offset = 0)`,
    );
    reader.put(0, wireEvent());
    await until('health names it', async () => /Partition 0/.test((await health()).detail));
    assert.equal((await health()).code, 503);
    assert.equal((await health('/ready')).code, 200);
  });
});

it('a consumer owns its partitions from the assignment on, and until it stops, also without records', async (t) => {
  const { db, reader } = await setUp(t);
  const service = await startConsumer(testSettings(), db.url, reader, createLogger('silent'));
  const owners = async () => {
    const { rows } = await db.pool.query<{ owner: string | null }>(
      'SELECT DISTINCT owner FROM consumer_positions',
    );
    return rows.map(({ owner }) => owner);
  };
  await until('both are owned', async () => {
    const [owner, ...others] = await owners();
    return typeof owner === 'string' && others.length === 0;
  });
  const answer = await fetch(`http://127.0.0.1:${service.port}/positions`);
  const { items } = (await answer.json()) as { items: { owner: string | null }[] };
  assert.deepEqual([...new Set(items.map(({ owner }) => owner))], await owners());
  await service.stop();
  assert.deepEqual(await owners(), [null]);
});
