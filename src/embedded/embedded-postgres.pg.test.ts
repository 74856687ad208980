import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { openPool } from '../../test/support/database.ts';
import { until } from '../../test/support/until.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';

it('takes its lock again when the session that holds it is ended [G10]', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-embedded-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres(folder, () => {});
  t.after(() => postgres.stop());
  const pool = openPool(postgres.url);
  t.after(() => pool.end());
  let death: string | null = null;
  void postgres.died.then((reason) => {
    death = reason;
  });
  const owners = async () =>
    (
      await pool.query(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'orderonce-owner'",
      )
    ).rows;
  const [before] = await owners();
  await pool.query('SELECT pg_terminate_backend($1)', [before.pid]);
  await until('another session holds it', async () => {
    const [now] = await owners();
    return now !== undefined && now.pid !== before.pid;
  });
  await assert.rejects(
    startEmbeddedPostgres(folder, () => {}),
    { code: 'DATA_DIR_UNUSABLE' },
  );
  assert.equal(death, null);
});
