/** What PostgreSQL's settings mean for the guarantees. Pure. */

import type { DatabaseFacts } from '../store/database-facts.ts';
import { USUAL_SCHEMA } from '../store/schema.ts';
import { type Finding, judgeOf } from './finding.ts';

/** Tested with 15 and 18. */
const VERSION_MIN = 14;
const VERSION_TESTED = 15;
const SKEW_WARN_MS = 1000;
const SKEW_FAIL_MS = 60_000;
/** Of one consumer process with its defaults, and a command beside it. */
const CONNECTIONS_MIN = 15;

const { ok, warn, fail } = judgeOf('postgresql');

export function judgeDatabase(facts: DatabaseFacts): Finding[] {
  return [
    judgeVersion(facts),
    facts.isReplica
      ? fail('role', 'a replica in recovery', 'Name the primary in DATABASE_URL')
      : ok('role', 'primary'),
    facts.encoding === 'UTF8'
      ? ok('encoding', 'UTF8')
      : fail(
          'encoding',
          facts.encoding,
          'Create the database with ENCODING UTF8: user ids are any text',
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
    return warn('version', found, `Not tested; ${VERSION_TESTED} or newer is`);
  return ok('version', found);
}

/** A role by the name of the schema has it first by default: "$user", public. */
function judgeSchema({ schema, searchPath }: DatabaseFacts): Finding {
  const isFirst = searchPath[0] === schema && searchPath.length > 1;
  if (schema === USUAL_SCHEMA || !isFirst) return ok('schema', schema);
  return warn(
    'schema',
    `${schema}, first in the search_path of the role`,
    `A name like orders in your handlers means Orderonce's table, not that in ${searchPath[1]}: set search_path of the role`,
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
          'Set fsync=on: a crash of the machine would lose or break what was committed',
        ),
    pages === 'on'
      ? ok('full_page_writes', 'on')
      : fail(
          'full_page_writes',
          'off',
          'Set full_page_writes=on, unless the file system writes pages whole',
        ),
    commit === 'off'
      ? warn(
          'synchronous_commit',
          'off',
          'Orderonce switches it on for its own transactions; yours in the same database may lose commits',
        )
      : ok('synchronous_commit', `${commit}`),
  ];
}

function judgeRights({ missingRights, onlyReads }: DatabaseFacts): Finding {
  if (missingRights.length === 0) return ok('rights', 'all that consumer and commands need');
  if (onlyReads) {
    return ok('rights', 'may only read: enough for verify, lag and doctor, not for a consumer');
  }
  // Never single GRANTs: whole tables would let a consumer change what is stored.
  return fail(
    'rights',
    `lacks ${missingRights.join('; ')}`,
    'Make this role a member of orderonce_consumer and run "orderonce migrate" as the owner of the ' +
      'tables: see docs/security.md',
  );
}

function judgeClock({ clockSkewMs }: DatabaseFacts): Finding {
  const found = `the server is ${clockSkewMs} ms ahead`;
  const skew = Math.abs(clockSkewMs);
  const remedy = 'Let NTP set both clocks: times in tables and request ids would not fit together';
  if (skew > SKEW_FAIL_MS) return fail('clock', found, remedy);
  return skew > SKEW_WARN_MS ? warn('clock', found, remedy) : ok('clock', found);
}

function judgeConnections({ connectionsFree }: DatabaseFacts): Finding {
  const found = `${connectionsFree} connections free`;
  if (connectionsFree >= CONNECTIONS_MIN) return ok('connections', found);
  return warn(
    'connections',
    found,
    `A consumer uses about ${CONNECTIONS_MIN}: raise max_connections, or use a pooler`,
  );
}
