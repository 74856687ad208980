/**
 * The statements with which the test kit manages its databases on a server: templates, clones, and
 * who still uses the server. Names tell what a database is and when it was made, so that whatever
 * a killed test run leaves behind is found and dropped later:
 *
 *   orderonce_kit_t_<hour>_<digest>   a template, migrated once for a set of migrations
 *   orderonce_kit_d_<hour>_<random>   the database of one kit, or of one run of a proof
 */
import { randomBytes } from 'node:crypto';
import type { DeclaredEvents } from '../event/declared-events.ts';
import type { LogIdentity } from '../log/event-log.ts';
import { pause } from '../runtime/backoff.ts';
import { logIdOf } from './logs.ts';
import { migrate } from './migrate.ts';
import type { Pool } from './pool.ts';
import { ensurePositions } from './positions.ts';
import type { Queryable } from './queryable.ts';
import { sqlStateOf } from './sqlstate.ts';

/** Any fixed number: held shared while a template is cloned, exclusively while one is made. */
const TEMPLATE_LOCK = 7_140_211_004;
/** Any fixed number: held by the process that stops an unused server. */
const KEEPER_LOCK = 7_140_211_005;

const CLOSING_MS = 1000;
const HOUR_MS = 3_600_000;
/** A test run is over by then. */
const DATABASE_HOURS = 6;
/** A set of migrations that nobody has tested for that long is not tested any more. */
const TEMPLATE_HOURS = 24 * 14;
const INSUFFICIENT_PRIVILEGE = '42501';

/** SQL text of a team's own tables, and where it comes from. */
export type TeamMigration = { readonly name: string; readonly sql: string };

export type TemplateRequest = {
  /** Of everything that the template is made of; hexadecimal. */
  readonly digest: string;
  readonly migrations: readonly TeamMigration[];
  /** The types whose views the template has. */
  readonly declared: DeclaredEvents | null;
  readonly identity: LogIdentity;
  /** Opens a pool on a database of the same server. */
  readonly open: (database: string) => Pool;
  readonly strategy: CloneStrategy;
};

/**
 * Clones the template for `digest`, and makes it first if it is missing. Processes that ask at the
 * same time wait for the one that makes it.
 * @param session outside a transaction, because CREATE DATABASE cannot run in one.
 * @returns the name of the clone.
 */
export async function cloneTemplate(session: Queryable, request: TemplateRequest): Promise<string> {
  await session.query('SELECT pg_advisory_lock_shared($1)', [TEMPLATE_LOCK]);
  try {
    const template = await findTemplate(session, request.digest);
    if (template !== null) return await cloneDatabase(session, template, request.strategy);
  } finally {
    await session.query('SELECT pg_advisory_unlock_shared($1)', [TEMPLATE_LOCK]);
  }
  await session.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    const found = await findTemplate(session, request.digest);
    const template = found ?? (await makeTemplate(session, request));
    return await cloneDatabase(session, template, request.strategy);
  } finally {
    await session.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

/**
 * FILE_COPY is the faster one where fsync is off. Elsewhere its checkpoints are slow, and servers
 * before 15 do not know the word: null leaves the choice to the server.
 */
export type CloneStrategy = 'FILE_COPY' | null;

/** @param source must have no connections. @returns the name of the clone. */
export async function cloneDatabase(
  session: Queryable,
  source: string,
  strategy: CloneStrategy = null,
): Promise<string> {
  const name = `orderonce_kit_d_${hour()}_${randomBytes(5).toString('hex')}`;
  const how = strategy === null ? '' : ` STRATEGY ${strategy}`;
  await session.query(`CREATE DATABASE ${name} TEMPLATE ${source}${how}`);
  return name;
}

/**
 * Drops a database unless somebody is connected to it: ending a stranger's session would crash a
 * process that does not listen for it. One that stays is dropped by a later test run.
 * @returns whether it was dropped.
 */
export async function dropDatabase(session: Queryable, name: string): Promise<boolean> {
  if ((await lastingSessions(session, name)).length > 0) return false;
  await session.query(`DROP DATABASE IF EXISTS ${name}`);
  return true;
}

/**
 * The application names of the sessions in a database. The server takes a moment to notice that a
 * connection was closed, so sessions count only if they are still there after CLOSING_MS.
 */
export async function lastingSessions(session: Queryable, name: string): Promise<string[]> {
  const giveUpAt = performance.now() + CLOSING_MS;
  for (;;) {
    const found = await sessionsIn(session, name);
    if (found.length === 0 || performance.now() > giveUpAt) return found;
    await pause(5);
  }
}

async function sessionsIn(session: Queryable, name: string): Promise<string[]> {
  const { rows } = await session.query<{ name: string }>(
    `SELECT application_name AS name FROM pg_catalog.pg_stat_activity
      WHERE datname = $1 AND backend_type = 'client backend'`,
    [name],
  );
  return rows.map((row) => row.name);
}

/** Whether a session in a database waits for a lock that another one holds. */
export async function isAnyBlocked(session: Queryable, name: string): Promise<boolean> {
  const { rows } = await session.query(
    `SELECT FROM pg_catalog.pg_stat_activity
      WHERE datname = $1 AND wait_event_type = 'Lock' LIMIT 1`,
    [name],
  );
  return rows.length > 0;
}

/** How many other sessions use the server. */
export async function countOtherSessions(session: Queryable): Promise<number> {
  const { rows } = await session.query<{ count: string }>(
    `SELECT count(*) AS count FROM pg_catalog.pg_stat_activity
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
  );
  return Number(rows[0]?.count);
}

/** Makes this session the keeper's. @returns false if another session is. */
export async function takeKeeperLock(session: Queryable): Promise<boolean> {
  const { rows } = await session.query<{ mine: boolean }>(
    'SELECT pg_try_advisory_lock($1) AS mine',
    [KEEPER_LOCK],
  );
  return rows[0]?.mine === true;
}

/** Whether a keeper watches the server. */
export async function hasKeeper(session: Queryable): Promise<boolean> {
  if (!(await takeKeeperLock(session))) return true;
  await session.query('SELECT pg_advisory_unlock($1)', [KEEPER_LOCK]);
  return false;
}

async function findTemplate(session: Queryable, digest: string): Promise<string | null> {
  const { rows } = await session.query<{ name: string }>(
    `SELECT datname AS name FROM pg_catalog.pg_database
      WHERE datname LIKE 'orderonce\\_kit\\_t\\_%' AND right(datname, length($1)) = $1 LIMIT 1`,
    [digest],
  );
  return rows[0]?.name ?? null;
}

/** A template gets its name once it is complete. The caller holds the lock. */
async function makeTemplate(
  session: Queryable,
  { digest, migrations, declared, identity, open }: TemplateRequest,
): Promise<string> {
  await dropOld(session);
  const fresh = `orderonce_kit_d_${hour()}_${randomBytes(5).toString('hex')}`;
  await createDatabase(session, fresh);
  try {
    const pool = open(fresh);
    try {
      await migrate(pool, { declared });
      for (const migration of migrations) await applyMigration(pool, migration);
      const logId = await logIdOf(pool, identity);
      const partitions = Array.from({ length: identity.partitions }, (_, n) => n);
      const bounds = new Map(partitions.map((partition) => [partition, { start: 0, end: 0 }]));
      await ensurePositions(pool, identity.topic, logId, bounds);
    } finally {
      await pool.end();
    }
    const name = `orderonce_kit_t_${hour()}_${digest}`;
    await session.query(`ALTER DATABASE ${fresh} RENAME TO ${name}`);
    return name;
  } catch (error) {
    await session.query(`DROP DATABASE IF EXISTS ${fresh}`).catch(() => {});
    throw error;
  }
}

async function createDatabase(session: Queryable, name: string): Promise<void> {
  try {
    await session.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
  } catch (error) {
    if (sqlStateOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    const message =
      'The role in DATABASE_URL may not create databases, and the test kit needs one for each kit: ' +
      'run ALTER ROLE … CREATEDB, or unset DATABASE_URL to use the embedded PostgreSQL';
    throw new Error(message, { cause: error });
  }
}

/** The whole text in one implicit transaction, as psql -1 runs a file. */
async function applyMigration(pool: Pool, { name, sql }: TeamMigration): Promise<void> {
  const client = await pool.connect();
  try {
    // As an object: in plain texts, `orderonce.` is replaced by the schema (statements.ts).
    await client.query({ text: sql });
    client.release(true);
  } catch (error) {
    client.release(true);
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The migration ${name} fails: ${reason}`, { cause: error });
  }
}

async function dropOld(session: Queryable): Promise<void> {
  const { rows } = await session.query<{ name: string }>(
    `SELECT datname AS name FROM pg_catalog.pg_database d
      WHERE datname ~ '^orderonce_kit_[dt]_[0-9]+_'
        AND split_part(datname, '_', 4)::bigint <
              $1 - CASE split_part(datname, '_', 3) WHEN 'd' THEN $2::int ELSE $3::int END
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datname = d.datname)`,
    [hour(), DATABASE_HOURS, TEMPLATE_HOURS],
  );
  for (const { name } of rows) await session.query(`DROP DATABASE IF EXISTS ${name}`);
}

/** Hours since 1970. */
function hour(): number {
  return Math.trunc(Date.now() / HOUR_MS);
}
