/** The table redrive_jobs: which dead letters are to be redriven or discarded, and how far it is. */
import type { LogPlace } from './log-place.ts';
import type { Queryable } from './queryable.ts';
import { MILLISECONDS, UTC } from './utc.ts';

export type JobAction = 'redrive' | 'discard';
export type JobState = 'waiting' | 'running' | 'stopping' | 'done' | 'stopped';

/** Which parked dead letters; a field that is absent does not restrict. */
export type JobFilter = {
  readonly reason?: string;
  /** `none`: those without one. */
  readonly sqlstate?: string;
  readonly shape?: string;
  readonly order_id?: string;
  readonly q?: string;
};

export type NewJob = {
  readonly action: JobAction;
  /** One of these two is null. */
  readonly filter: JobFilter | null;
  readonly places: readonly LogPlace[] | null;
  /** The last one in log order; null if it is for all that match or are given. */
  readonly until: LogPlace | null;
  readonly total: number;
  /** null: as fast as it can. */
  readonly perSecond: number | null;
  readonly askedBy: string;
  readonly reason: string | null;
};

/** A job. Times are UTC, as events spell them. */
export type RedriveJob = NewJob & {
  readonly redriveId: number;
  readonly state: JobState;
  readonly tried: number;
  /** How many ended how. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The last place that was tried. */
  readonly after: LogPlace | null;
  readonly owner: string | null;
  readonly trouble: string | null;
  readonly stoppedBy: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly updatedAt: string;
  readonly finishedAt: string | null;
  /** Milliseconds since it was started, by the database's clock; null before. */
  readonly ranMs: number | null;
};

/** A consumer that has not renewed its lease for this time is taken for ended. */
const LEASE_SECONDS = 15;

const PLACE = (name: string) =>
  `CASE WHEN ${name}_log_id IS NOT NULL THEN jsonb_build_object('logId', ${name}_log_id,
    'partition', ${name}_partition, 'offset', ${name}_offset) END AS ${name}`;
const COLUMNS = `redrive_id AS "redriveId", action, state, filter, places, total, tried, outcomes,
  ${PLACE('after')}, ${PLACE('until')},
  per_second AS "perSecond", asked_by AS "askedBy", reason, owner, trouble, stopped_by AS "stoppedBy",
  ${UTC('created_at')} AS "createdAt", ${UTC('started_at')} AS "startedAt",
  ${UTC('updated_at')} AS "updatedAt", ${UTC('finished_at')} AS "finishedAt",
  ${MILLISECONDS('now() - started_at')} AS "ranMs"`;

/** Stores a new job, unless `openMax` are open already. @returns null if there are too many. */
export async function insertJob(
  db: Queryable,
  job: NewJob,
  openMax: number,
): Promise<RedriveJob | null> {
  const { rows } = await db.query<RedriveJob>(
    `INSERT INTO orderonce.redrive_jobs (action, filter, places, total, per_second, asked_by, reason,
                                         until_log_id, until_partition, until_offset)
     SELECT $1, $2::jsonb, $3::jsonb, $4::bigint, $5::int, $6, $7, $9::int, $10::int, $11::bigint
      WHERE (SELECT count(*) FROM orderonce.redrive_jobs WHERE finished_at IS NULL) < $8
     RETURNING ${COLUMNS}`,
    [
      job.action,
      job.filter === null ? null : JSON.stringify(job.filter),
      job.places === null ? null : JSON.stringify(job.places),
      job.total,
      job.perSecond,
      job.askedBy,
      job.reason,
      openMax,
      job.until?.logId ?? null,
      job.until?.partition ?? null,
      job.until?.offset ?? null,
    ],
  );
  return rows[0] ?? null;
}

export type JobPage = {
  readonly state?: JobState | undefined;
  /** Only jobs with a smaller number. */
  readonly after?: number | undefined;
  readonly limit: number;
};

/** Jobs, the newest first. */
export async function listJobs(db: Queryable, page: JobPage): Promise<RedriveJob[]> {
  const { rows } = await db.query<RedriveJob>(
    `SELECT ${COLUMNS} FROM orderonce.redrive_jobs
      WHERE ($1::text IS NULL OR state = $1) AND ($2::bigint IS NULL OR redrive_id < $2)
      ORDER BY redrive_id DESC LIMIT $3`,
    [page.state ?? null, page.after ?? null, page.limit],
  );
  return rows;
}

/** Jobs that are open, or that have ended since the time `ms` (since 1970); at most 100. */
export async function listJobsSince(db: Queryable, ms: number): Promise<RedriveJob[]> {
  const { rows } = await db.query<RedriveJob>(
    `SELECT ${COLUMNS} FROM orderonce.redrive_jobs
      WHERE finished_at IS NULL
         OR redrive_id IN (SELECT redrive_id FROM orderonce.redrive_jobs ORDER BY redrive_id DESC LIMIT 50)
            AND finished_at > to_timestamp($1 / 1000.0)
      ORDER BY redrive_id LIMIT 100`,
    [ms],
  );
  return rows;
}

export async function findJob(db: Queryable, redriveId: number): Promise<RedriveJob | null> {
  const sql = `SELECT ${COLUMNS} FROM orderonce.redrive_jobs WHERE redrive_id = $1`;
  return (await db.query<RedriveJob>(sql, [redriveId])).rows[0] ?? null;
}

/**
 * Asks that a job be stopped. One that nobody carries out stops immediately.
 * @returns the job; null if there is none.
 */
export async function stopJob(
  db: Queryable,
  redriveId: number,
  stoppedBy: string,
): Promise<RedriveJob | null> {
  await db.query(
    `UPDATE orderonce.redrive_jobs
        SET state = CASE WHEN lease_until > now() THEN 'stopping' ELSE 'stopped' END,
            finished_at = CASE WHEN lease_until > now() THEN NULL ELSE now() END,
            stopped_by = $2, updated_at = now()
      WHERE redrive_id = $1 AND finished_at IS NULL AND state <> 'stopping'`,
    [redriveId, stoppedBy],
  );
  return await findJob(db, redriveId);
}

/**
 * Takes the oldest open job that nobody carries out, for 15 seconds. @returns null if there is none.
 */
export async function takeJob(db: Queryable, owner: string): Promise<RedriveJob | null> {
  const { rows } = await db.query<RedriveJob>(
    `UPDATE orderonce.redrive_jobs j
        SET owner = $1, lease_until = now() + make_interval(secs => ${LEASE_SECONDS}),
            state = CASE WHEN state = 'waiting' THEN 'running' ELSE state END,
            started_at = coalesce(started_at, now()), updated_at = now()
      WHERE redrive_id = (SELECT redrive_id FROM orderonce.redrive_jobs
                           WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until < now())
                           ORDER BY redrive_id LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING ${COLUMNS}`,
    [owner],
  );
  return rows[0] ?? null;
}

/** How far a job is. */
export type JobProgress = {
  readonly tried: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly after: LogPlace | null;
  readonly trouble: string | null;
};

/**
 * Notes the progress of a job and renews the lease.
 * @returns the state of the job; null if another consumer has taken it: then this one must end.
 */
export async function noteProgress(
  db: Queryable,
  { redriveId, owner }: { readonly redriveId: number; readonly owner: string },
  { tried, outcomes, after, trouble }: JobProgress,
): Promise<JobState | null> {
  const { rows } = await db.query<{ state: JobState }>(
    `UPDATE orderonce.redrive_jobs
        SET tried = $3, outcomes = $4, after_log_id = $5, after_partition = $6, after_offset = $7,
            trouble = $8, lease_until = now() + make_interval(secs => ${LEASE_SECONDS}),
            updated_at = now()
      WHERE redrive_id = $1 AND owner = $2 AND finished_at IS NULL
     RETURNING state`,
    [
      redriveId,
      owner,
      tried,
      JSON.stringify(outcomes),
      after?.logId ?? null,
      after?.partition ?? null,
      after?.offset ?? null,
      trouble,
    ],
  );
  return rows[0]?.state ?? null;
}

/** Ends a job of this owner. */
export async function finishJob(
  db: Queryable,
  { redriveId, owner }: { readonly redriveId: number; readonly owner: string },
  state: 'done' | 'stopped',
): Promise<void> {
  await db.query(
    `UPDATE orderonce.redrive_jobs
        SET state = $3, finished_at = now(), lease_until = NULL, trouble = NULL, updated_at = now()
      WHERE redrive_id = $1 AND owner = $2 AND finished_at IS NULL`,
    [redriveId, owner, state],
  );
}

/** Gives a job back, so that another consumer can continue it immediately. */
export async function releaseJob(
  db: Queryable,
  { redriveId, owner }: { readonly redriveId: number; readonly owner: string },
): Promise<void> {
  await db.query(
    `UPDATE orderonce.redrive_jobs SET lease_until = NULL, owner = NULL
      WHERE redrive_id = $1 AND owner = $2 AND finished_at IS NULL`,
    [redriveId, owner],
  );
}

/** The places of the dead letters that a job has tried, with those that followed them. */
export async function readJobPlaces(db: Queryable, redriveId: number): Promise<LogPlace[]> {
  const { rows } = await db.query<LogPlace>(
    `SELECT DISTINCT log_id AS "logId", log_partition AS partition, log_offset AS offset
       FROM orderonce.dead_letter_audit WHERE redrive_id = $1`,
    [redriveId],
  );
  return rows;
}

/**
 * How the dead letters of a job ended, from the audit, which is written in the transactions of the
 * redrives. It is exact after the job's consumer was killed, except for outcomes without an audit:
 * `behind`, `gone` and `invalid`; `changed` is what remains.
 */
export async function countJobAudit(
  db: Queryable,
  redriveId: number,
): Promise<Record<string, number>> {
  const { rows } = await db.query<{ outcome: string; n: number }>(
    `SELECT outcome, count(*) AS n FROM orderonce.dead_letter_audit
      WHERE redrive_id = $1 GROUP BY outcome`,
    [redriveId],
  );
  return Object.fromEntries(rows.map(({ outcome, n }) => [outcome, n]));
}
