import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { createPool } from './pool.ts';
import { prepared } from './statement-names.ts';

const HOT = prepared('SELECT $1::int + 1 AS sum');

/** The texts of the statements that the session has prepared. */
async function preparedBy(t: TestContext, url: string, prepares: boolean): Promise<string[]> {
  const limits = { connectionsMax: 1, queryTimeoutMs: 5000 };
  const pool = createPool({ connectionString: url, name: 'test', prepares, ...limits });
  t.after(() => pool.end());
  for (const value of [1, 2]) assert.equal((await pool.query(HOT, [value])).rows[0].sum, value + 1);
  await pool.query('SELECT $1::int', [1]);
  const { rows } = await pool.query('SELECT statement FROM pg_prepared_statements');
  return rows.map(({ statement }) => statement);
}

it('prepares marked statements and no others, and none where a pooler would lose them', async (t) => {
  const { url } = await createDatabase(t);
  assert.deepEqual(await preparedBy(t, url, true), [HOT]);
  assert.deepEqual(await preparedBy(t, url, false), []);
});
