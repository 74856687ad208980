/** A role whose settings change how values are written and read, and how transactions run. */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { asAdmin, type TestDatabase } from './database.ts';

/**
 * Name, value, and the first major version of PostgreSQL that has it, if not all supported ones do.
 */
const SETTINGS: readonly (readonly [name: string, value: string, since?: number])[] = [
  ['DateStyle', 'SQL, DMY'],
  ['IntervalStyle', 'sql_standard'],
  ['TimeZone', 'Asia/Kathmandu'],
  ['timezone_abbreviations', 'India'],
  ['extra_float_digits', '-15'],
  ['bytea_output', 'escape'],
  ['client_encoding', 'LATIN1'],
  ['search_path', 'pg_catalog'],
  ['standard_conforming_strings', 'off'],
  ['backslash_quote', 'off'],
  ['escape_string_warning', 'on'],
  ['quote_all_identifiers', 'on'],
  ['array_nulls', 'off'],
  ['transform_null_equals', 'on'],
  ['xmlbinary', 'hex'],
  ['xmloption', 'document'],
  ['lc_monetary', 'POSIX'],
  ['lc_numeric', 'POSIX'],
  ['lc_time', 'POSIX'],
  ['default_transaction_isolation', 'serializable'],
  ['default_transaction_deferrable', 'on'],
  ['synchronous_commit', 'off'],
  ['statement_timeout', '150ms'],
  ['lock_timeout', '1ms'],
  ['idle_in_transaction_session_timeout', '150ms'],
  ['transaction_timeout', '150ms', 17],
  ['exit_on_error', 'on'],
  ['row_security', 'off'],
  ['session_replication_role', 'replica'],
  ['check_function_bodies', 'off'],
  ['plan_cache_mode', 'force_generic_plan'],
  ['enable_seqscan', 'off'],
];

/**
 * Creates such a role, a superuser, until the test ends.
 * @returns the URL of the database for it.
 */
export async function hostileUrl(t: TestContext, { url, name }: TestDatabase): Promise<string> {
  const role = `hostile_${randomBytes(6).toString('hex')}`;
  await asAdmin(async (admin) => {
    const { rows } = await admin.query('SHOW server_version_num');
    const version = Number(rows[0].server_version_num) / 10_000;
    await admin.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'pass'`);
    for (const [setting, value, since = 0] of SETTINGS) {
      if (version >= since)
        await admin.query(
          `ALTER ROLE ${role} SET ${setting} = ${value.includes(',') ? value : `'${value}'`}`,
        );
    }
  });
  // The hook that drops the database was added earlier, and runs before this one.
  t.after(() => asAdmin((admin) => admin.query(`DROP ROLE IF EXISTS ${role}`)));
  const its = new URL(url);
  its.username = role;
  its.password = 'pass';
  its.pathname = `/${name}`;
  return its.href;
}
