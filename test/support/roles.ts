/** Roles are the server's, not the database's: each of another test must not meet ours. */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { asAdmin } from './database.ts';

export type TestRole = { readonly name: string; readonly url: string };

/**
 * A role that can log in, until the test ends. @param options of CREATE ROLE.
 * @returns its name, and the database's URL for it.
 */
export async function createRole(t: TestContext, url: string, options = ''): Promise<TestRole> {
  const name = `role_${randomBytes(6).toString('hex')}`;
  await asAdmin((admin) => admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'pass' ${options}`));
  t.after(() => asAdmin((admin) => admin.query(`DROP ROLE IF EXISTS ${name}`)));
  const its = new URL(url);
  its.username = name;
  its.password = 'pass';
  return { name, url: its.href };
}
