import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { addActivity, compactActivity, readActivity, readRecentActivity } from './activity.ts';

describe('The table activity', () => {
  it('adds up within a minute, and gives each step of the span', async (t) => {
    const { pool } = await createDatabase(t);
    const stored = { outcome: 'stored', source: '', n: 2 } as const;
    await addActivity(pool, 'a', [stored, { outcome: 'duplicate', source: 'redrive', n: 1 }]);
    await addActivity(pool, 'b', [stored]);
    await addActivity(pool, 'a', []);
    const span = { steps: 5, stepMinutes: 1, by: 'outcome' } as const;
    const sums = async (more: object = {}) => {
      const { rows } = await readActivity(pool, { ...span, ...more });
      return Object.fromEntries(
        Object.entries(Object.groupBy(rows, ({ name }) => name)).map(([name, all]) => [
          name,
          (all ?? []).reduce((sum, { n }) => sum + n, 0),
        ]),
      );
    };
    assert.deepEqual(await sums(), { stored: 4, duplicate: 1 });
    assert.deepEqual(await sums({ by: 'owner', outcome: 'stored' }), { a: 2, b: 2 });
    assert.deepEqual(await sums({ by: 'source', source: 'redrive' }), { redrive: 1 });
    await pool.query(`UPDATE activity SET minute = minute - interval '4 min' WHERE owner = 'b'`);
    const { rows, from } = await readActivity(pool, span);
    // The minute may have changed in between; then the older one is out of the span.
    assert.ok(rows.every(({ step }) => step >= 0 && step <= 4));
    assert.ok(Date.parse(from) <= Date.now() - 4 * 60_000 + 1000, from);
    await pool.query(`UPDATE activity SET minute = minute - interval '2 h' WHERE owner = 'b'`);
    assert.deepEqual((await readRecentActivity(pool)).duplicatesLastHour, 1);
  });

  it('keeps minutes for two days, hours for thirty, and loses no count between', async (t) => {
    const { pool } = await createDatabase(t);
    await pool.query(
      `INSERT INTO activity
       SELECT date_trunc('minute', now(), 'UTC') - make_interval(mins => m), 'a', 'stored', '', 1
         FROM generate_series(0, 40 * 24 * 60, 7) m`,
    );
    const sum = async () => {
      const { rows } = await pool.query<{ n: number }>(
        `SELECT sum(n)::int AS n FROM activity WHERE minute >= now() - interval '29 days'`,
      );
      return rows[0]?.n ?? 0;
    };
    const before = await sum();
    await Promise.all([compactActivity(pool), compactActivity(pool)]);
    await compactActivity(pool);
    // Rounding to the hour moves some over the edge of the 29 days.
    assert.ok(Math.abs((await sum()) - before) <= 9, `${await sum()} ${before}`);
    const { rows } = await pool.query<{ fine: number; old: number }>(
      `SELECT count(*) FILTER (WHERE minute < now() - interval '49 h'
                AND minute <> date_trunc('hour', minute, 'UTC'))::int AS fine,
              count(*) FILTER (WHERE minute < now() - interval '31 days')::int AS old FROM activity`,
    );
    assert.deepEqual(rows, [{ fine: 0, old: 0 }]);
  });
});
