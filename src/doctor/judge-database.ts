/** Judges the facts about PostgreSQL: what they mean for the guarantees. Pure. */

import type { DatabaseFacts } from '../store/database-facts.ts';
import { USUAL_SCHEMA } from '../store/schema.ts';
import { type Finding, judgeOf } from './finding.ts';

/** Older versions fail the check. The test suite runs on 15 and 18, so 14 is only a warning. */
const VERSION_MIN = 14;
const VERSION_TESTED = 15;
const SKEW_WARN_MS = 1000;
const SKEW_FAIL_MS = 60_000;
/** What one consumer process with default settings and one command use. */
const CONNECTIONS_MIN = 15;

const { ok, warn, fail } = judgeOf('postgresql');

/** @returns one finding for each condition; several for durability. */
export function judgeDatabase(facts: DatabaseFacts): Finding[] {
  return [
    judgeVersion(facts),
    facts.isReplica
      ? fail('role', 'replica in recovery', 'Set DATABASE_URL to the primary')
      : ok('role', 'primary'),
    facts.encoding === 'UTF8'
      ? ok('encoding', 'UTF8')
      : fail(
          'encoding',
          facts.encoding,
          'Create the database with ENCODING UTF8: user ids may hold any Unicode text',
        ),
    judgeSchema(facts),
    ...judgeDurability(facts),
    judgeRights(facts),
    judgeClock(facts),
    judgeConnections(facts),
  ];
}

function judgeVersion({ version }: DatabaseFacts): Finding {
  const found = `PostgreSQL ${version}`;
  if (version < VERSION_MIN) return fail('version', found, `Upgrade to ${VERSION_TESTED} or newer`);
  if (version < VERSION_TESTED)
    return warn('version', found, `Upgrade to ${VERSION_TESTED} or newer: this one is not tested`);
  return ok('version', found);
}

/**
 * The default search_path is "$user", public. So a role with the same name as the schema sees the
 * tables of Orderonce before those of the application.
 */
function judgeSchema({ schema, searchPath }: DatabaseFacts): Finding {
  const isFirst = searchPath[0] === schema && searchPath.length > 1;
  if (schema === USUAL_SCHEMA || !isFirst) return ok('schema', schema);
  return warn(
    'schema',
    `${schema}, first in the search_path of this role`,
    `Set search_path of this role: now a name such as "orders" in your handlers means Orderonce's table, not the one in ${searchPath[1]}`,
  );
}

function judgeDurability({ settings }: DatabaseFacts): Finding[] {
  const { fsync, full_page_writes: pages, synchronous_commit: commit } = settings;
  return [
    fsync === 'on'
      ? ok('fsync', 'on')
      : fail(
          'fsync',
          'off',
          'Set fsync=on: otherwise a crash of the machine may lose or corrupt committed data',
        ),
    pages === 'on'
      ? ok('full_page_writes', 'on')
      : fail(
          'full_page_writes',
          'off',
          'Set full_page_writes=on, unless the file system writes whole pages atomically',
        ),
    commit === 'off'
      ? warn(
          'synchronous_commit',
          'off',
          'Nothing to do for Orderonce: it switches synchronous_commit on for its own transactions. Other transactions in this database may lose commits',
        )
      : ok('synchronous_commit', `${commit}`),
  ];
}

function judgeRights({ missingRights, onlyReads }: DatabaseFacts): Finding {
  if (missingRights.length === 0) return ok('rights', 'all that consumer and commands need');
  if (onlyReads) {
    return ok('rights', 'read-only: enough for verify, lag and doctor, but not for a consumer');
  }
  // The remedy is never a GRANT on a whole table: with it, a consumer could change stored events.
  return fail(
    'rights',
    `lacks ${missingRights.join('; ')}`,
    'Make this role a member of orderonce_consumer and run "orderonce migrate" as the owner of the ' +
      'tables. See docs/security.md',
  );
}

function judgeClock({ clockSkewMs }: DatabaseFacts): Finding {
  const found = `the clock of the server is ${clockSkewMs} ms ahead of this machine`;
  const skew = Math.abs(clockSkewMs);
  const remedy =
    'Synchronise both clocks with NTP: otherwise times in tables and request ids do not match';
  if (skew > SKEW_FAIL_MS) return fail('clock', found, remedy);
  return skew > SKEW_WARN_MS ? warn('clock', found, remedy) : ok('clock', found);
}

function judgeConnections({ connectionsFree }: DatabaseFacts): Finding {
  const found = `${connectionsFree} connections free`;
  if (connectionsFree >= CONNECTIONS_MIN) return ok('connections', found);
  return warn(
    'connections',
    found,
    `Raise max_connections, or use a pooler: a consumer uses about ${CONNECTIONS_MIN} connections`,
  );
}
