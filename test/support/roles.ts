/** Roles on the PostgreSQL of the run. Roles belong to the server, so each test creates its own. */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { migrate } from '../../src/store/migrate.ts';
import type { Pool } from '../../src/store/pool.ts';
import { asAdmin, openPool, type TestDatabase } from './database.ts';

export type TestRole = { readonly name: string; readonly url: string };

export type Group = 'orderonce_consumer' | 'orderonce_reader';

/**
 * Creates a role that can log in, until the test ends.
 * @param options further options of CREATE ROLE.
 * @returns its name, and the URL of the database for it.
 */
export async function createRole(t: TestContext, url: string, options = ''): Promise<TestRole> {
  const name = `role_${randomBytes(6).toString('hex')}`;
  await asAdmin((admin) => admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'pass' ${options}`));
  t.after(() => asAdmin((admin) => admin.query(`DROP ROLE IF EXISTS ${name}`)).catch(() => {}));
  const its = new URL(url);
  its.username = name;
  its.password = 'pass';
  return { name, url: its.href };
}

/** A pool that logs in as a member of this documented group, or as a role without any grants. */
export async function asRole(
  t: TestContext,
  { url, pool: owner }: Pick<TestDatabase, 'url' | 'pool'>,
  group: Group | null,
): Promise<Pool & TestRole> {
  if (group !== null) {
    await asAdmin((admin) =>
      admin.query(
        `DO $$ BEGIN
           CREATE ROLE ${group} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
         END $$`,
      ),
    );
    await migrate(owner);
  }
  const role = await createRole(t, url, group === null ? '' : `IN ROLE ${group}`);
  const pool = openPool(role.url);
  t.after(() => pool.end());
  return Object.assign(pool, role);
}
