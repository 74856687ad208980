/** The table processes: one row for each consumer that runs, which it writes itself. */
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

/** What a process says about itself. */
export type ProcessReport = {
  readonly owner: string;
  readonly service: string;
  /** Of Orderonce. */
  readonly version: string;
  /** Names of the handlers, in the order in which they run. */
  readonly handlers: readonly string[];
  /** Digest of their module and settings. */
  readonly handlersDigest: string | null;
  /** The status of each partition, as GET /health of the process shows it. */
  readonly partitions: readonly object[];
};

/** A process that has not reported for this time counts as missing. */
export const MISSING_AFTER_SECONDS = 20;
/** The row of a missing process is removed after this time. */
const REMOVED_AFTER_SECONDS = 15 * 60;

/** Writes the row of a process, and removes those of processes that are missing for long. */
export async function reportProcess(db: Queryable, report: ProcessReport): Promise<void> {
  const { owner, service, version, handlers, handlersDigest, partitions } = report;
  await db.query(
    `INSERT INTO orderonce.processes (owner, service, version, handlers, handlers_digest, partitions)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (owner) DO UPDATE SET partitions = excluded.partitions, seen_at = now()`,
    [owner, service, version, JSON.stringify(handlers), handlersDigest, JSON.stringify(partitions)],
  );
  await db.query(
    `DELETE FROM orderonce.processes WHERE seen_at < now() - make_interval(secs => $1)`,
    [REMOVED_AFTER_SECONDS],
  );
}

/** Removes the row of a process that stops in order. */
export async function removeProcess(db: Queryable, owner: string): Promise<void> {
  await db.query('DELETE FROM orderonce.processes WHERE owner = $1', [owner]);
}

/** A process as the table shows it. Times are UTC, as events spell them. */
export type KnownProcess = ProcessReport & {
  readonly startedAt: string;
  readonly seenAt: string;
  readonly isMissing: boolean;
};

/** All processes, the oldest first. */
export async function listProcesses(db: Queryable): Promise<KnownProcess[]> {
  const { rows } = await db.query<KnownProcess>(
    `SELECT owner, service, version, handlers, handlers_digest AS "handlersDigest", partitions,
            ${UTC('started_at')} AS "startedAt", ${UTC('seen_at')} AS "seenAt",
            seen_at < now() - make_interval(secs => $1) AS "isMissing"
       FROM orderonce.processes ORDER BY started_at, owner`,
    [MISSING_AFTER_SECONDS],
  );
  return rows;
}
