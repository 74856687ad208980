/** The table deployment_handlers: which handlers the consumers run. The newest row is current. */
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

export type DeployedHandler = {
  readonly name: string;
  /** Whether it exports a check for `verify`. */
  readonly hasCheck: boolean;
};

/** Identifies the handlers of a process. */
export type HandlersIdentity = {
  /** In the order in which they run. */
  readonly handlers: readonly DeployedHandler[];
  /** Hex. If two identities have the same digest, a redrive has the same effect with both. */
  readonly digest: string;
  /** The value of HANDLERS_MODULE; null if it is not set. */
  readonly module: string | null;
};

export type DeployedHandlers = HandlersIdentity & {
  /** The consumer that last started with them, and when (UTC). */
  readonly owner: string;
  readonly startedAt: string;
};

/**
 * Records that a consumer starts with these handlers.
 * @returns the previous handlers if they were others; otherwise null.
 */
export async function recordHandlers(
  db: Queryable,
  { handlers, digest, module }: HandlersIdentity,
  owner: string,
): Promise<DeployedHandlers | null> {
  const before = await readDeployedHandlers(db);
  if (before?.digest === digest) {
    await db.query(
      `UPDATE orderonce.deployment_handlers SET owner = $1, started_at = now()
        WHERE recorded_id = (SELECT max(recorded_id) FROM orderonce.deployment_handlers)`,
      [owner],
    );
    return null;
  }
  await db.query(
    'INSERT INTO orderonce.deployment_handlers (handlers, digest, module, owner) VALUES ($1, $2, $3, $4)',
    [JSON.stringify(handlers), digest, module, owner],
  );
  return before;
}

/** @returns the current handlers; null if no consumer has recorded any yet. */
export async function readDeployedHandlers(db: Queryable): Promise<DeployedHandlers | null> {
  const { rows } = await db.query<DeployedHandlers>(
    `SELECT handlers, digest, module, owner, ${UTC('started_at')} AS "startedAt"
       FROM orderonce.deployment_handlers ORDER BY recorded_id DESC LIMIT 1`,
  );
  return rows[0] ?? null;
}

/**
 * An id that distinguishes this database from others; null before its first consumer has started.
 */
export async function readDeploymentId(db: Queryable): Promise<string | null> {
  const { rows } = await db.query<{ id: string | null }>(
    `SELECT md5((min(recorded_at) AT TIME ZONE 'UTC')::text) AS id FROM orderonce.deployment_handlers`,
  );
  return rows[0]?.id ?? null;
}
