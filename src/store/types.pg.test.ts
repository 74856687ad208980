import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { createDatabase, openPool } from '../../test/support/database.ts';
import { hostileUrl } from '../../test/support/hostile-role.ts';
import { MILLISECONDS, UTC } from './utc.ts';

it('a statement of ours cannot read what settings spell', async (t) => {
  const { pool } = await createDatabase(t);
  await pool.query(`INSERT INTO logs (topic, topic_id) VALUES ('a', 'a')`);
  const raw = [
    'now()',
    'now()::timestamp',
    'now()::date',
    `interval '1 s'`,
    '1::float8',
    '1::real',
    '1::money',
    'ARRAY[now()]',
  ];
  for (const value of raw) {
    const text = `SELECT ${value} AS it FROM orderonce.logs`;
    await assert.rejects(pool.query(text), /depends on settings of the session/, value);
    // Statements that are not ours, such as a handler's, may select it.
    await pool.query({ text: `SELECT ${value} AS it` });
  }
  const { rows } = await pool.query('SELECT 1::numeric AS it, topic FROM orderonce.logs');
  assert.deepEqual(rows, [{ it: '1', topic: 'a' }]);
});

it('times and bytes are read as they are, whatever the settings', async (t) => {
  const db = await createDatabase(t);
  const pool = openPool(await hostileUrl(t, db));
  t.after(() => pool.end());
  const time = fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true });
  const bytes = fc.uint8Array({ maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(time, bytes, async (at, value) => {
      const { rows } = await pool.query(
        `SELECT ${UTC('at')} AS text, ${MILLISECONDS('at')} AS ms, bytes
           FROM (SELECT $1::timestamptz AS at, $2::bytea AS bytes) x`,
        [at.toISOString(), Buffer.from(value)],
      );
      const text = at.toISOString().replace('Z', '000Z');
      assert.deepEqual(rows, [{ text, ms: at.getTime(), bytes: Buffer.from(value) }]);
    }),
    { numRuns: 200 },
  );
});
