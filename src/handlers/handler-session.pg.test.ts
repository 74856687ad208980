import assert from 'node:assert/strict';
import { it } from 'node:test';
import { asAdmin, createEmptyDatabase, openPool } from '../../test/support/database.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { contextIn } from '../../test/support/heart.ts';
import { createRole } from '../../test/support/roles.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { migrate } from '../store/migrate.ts';
import type { Handler } from './handler.ts';

/** Settings that the team has made for its role, and on which its handlers rely. */
const ITS_SETTINGS = {
  search_path: 'app, public',
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'sql_standard',
  TimeZone: 'Asia/Tokyo',
  bytea_output: 'escape',
  extra_float_digits: '0',
  array_nulls: 'off',
};

it('a handler has the settings of its role, and unqualified names are those of its search_path', async (t) => {
  const { pool: owner, url } = await createEmptyDatabase(t);
  const role = await createRole(t, url, 'SUPERUSER');
  await asAdmin(async (admin) => {
    for (const [name, value] of Object.entries(ITS_SETTINGS)) {
      await admin.query(
        `ALTER ROLE ${role.name} SET ${name} = ${/,/.test(value) ? value : `'${value}'`}`,
      );
    }
  });
  // Tables of the team with the names of ours, in its own schema and in public.
  await owner.query(`CREATE SCHEMA app; CREATE TABLE app.orders (event_id uuid, at text, its text);
    CREATE TABLE public.outbox (n int)`);
  await migrate(owner);
  const pool = openPool(role.url);
  t.after(() => pool.end());
  const handler: Handler = {
    name: 'its own',
    handle: async (events, tx) => {
      for (const event of events) {
        const now = `TIMESTAMPTZ '2026-02-01 00:00:00Z'`;
        await tx.query(
          `INSERT INTO orders SELECT $1, ${now}::text, string_agg(current_setting(name), '|' ORDER BY n)
             FROM unnest($2::text[]) WITH ORDINALITY AS s (name, n)`,
          [event.eventId, Object.keys(ITS_SETTINGS)],
        );
        await tx.query('INSERT INTO outbox VALUES (1)');
        // In a handler's statement the prefix of our tables is not replaced.
        assert.equal(
          (await tx.query(`SELECT 'orderonce.orders' AS it`)).rows[0]?.it,
          'orderonce.orders',
        );
        const read = await tx.query(
          'SELECT now() AS at, 0.5::float8 AS half, count(*) AS n FROM orders',
        );
        assert.deepEqual([read.rows[0]?.half, read.rows[0]?.n], [0.5, 1]);
        tx.emit(event, { topic: 'out', key: 'k', value: 'v' });
      }
    },
  };
  const context = await contextIn(pool);
  const handlers = { handlers: [handler], timeoutMs: 3000, attemptsMax: 5 };
  const event = wireEvent();
  const outcome = await processBatch({ ...context, handlers }, sliceOfEvents(0, [event]));
  assert.equal(outcome.stored, 1);
  assert.equal(pool.schema, 'orderonce');
  const { rows } = await owner.query('SELECT * FROM app.orders');
  const its = Object.values(ITS_SETTINGS).join('|');
  assert.deepEqual(rows, [{ event_id: event.event_id, at: '01/02/2026 09:00:00 JST', its }]);
  const counts = await owner.query(`SELECT (SELECT count(*) FROM public.outbox) AS its,
    (SELECT count(*) FROM orderonce.outbox) AS ours, (SELECT count(*) FROM orderonce.orders) AS orders`);
  assert.deepEqual(counts.rows, [{ its: 1, ours: 1, orders: 1 }]);
});
