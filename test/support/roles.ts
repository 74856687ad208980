/** Logins of the documented groups of roles, on the run's PostgreSQL. */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { migrate } from '../../src/store/migrate.ts';
import type { Pool } from '../../src/store/pool.ts';
import { asAdmin, openPool, type TestDatabase } from './database.ts';

export type Group = 'orderonce_consumer' | 'orderonce_reader';

const PASSWORD = 'pass';

/**
 * A pool of a login of this group, or of none, which holds nothing but what it is granted. Roles
 * are the server's, not the database's: the name is of this test alone.
 */
export async function asRole(
  t: TestContext,
  { url, pool: owner }: Pick<TestDatabase, 'url' | 'pool'>,
  group: Group | null,
): Promise<Pool & { readonly url: string; readonly name: string }> {
  const name = `role_${randomBytes(6).toString('hex')}`;
  if (group !== null) {
    await owner.query(
      `DO $$ BEGIN
         CREATE ROLE ${group} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
       END $$`,
    );
    await migrate(owner);
  }
  const member = group === null ? '' : `IN ROLE ${group}`;
  await owner.query(`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}' ${member}`);
  const its = new URL(url);
  its.username = name;
  its.password = PASSWORD;
  const pool = openPool(its.href);
  t.after(async () => {
    await pool.end();
    await asAdmin((admin) => admin.query(`DROP ROLE IF EXISTS ${name}`)).catch(() => {});
  });
  return Object.assign(pool, { url: its.href, name });
}
