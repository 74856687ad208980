/**
 * The table activity: how many records had which outcome, by minute and process. Charts read it, so
 * that nothing has to be counted. It is no proof; `verify` counts the records themselves.
 */
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

export type Outcome = 'stored' | 'duplicate' | 'conflict' | 'dead_letter';

/** A number of records with the same outcome and source, since the last time they were added. */
export type ActivityCount = {
  readonly outcome: Outcome;
  /** Of duplicates and conflicts why they were there, of dead letters the reason; else empty. */
  readonly source: string;
  readonly n: number;
};

/** Adds counts to the current minute of the database's clock. */
export async function addActivity(
  db: Queryable,
  owner: string,
  counts: readonly ActivityCount[],
): Promise<void> {
  if (counts.length === 0) return;
  await db.query(
    `INSERT INTO orderonce.activity AS a (minute, owner, outcome, source, n)
     SELECT date_trunc('minute', now(), 'UTC'), $1, c.outcome, c.source, c.n
       FROM jsonb_to_recordset($2::jsonb) AS c (outcome text, source text, n bigint)
     ON CONFLICT (minute, owner, outcome, source) DO UPDATE SET n = a.n + excluded.n`,
    [owner, JSON.stringify(counts)],
  );
}

/** Minutes for which activity is kept by the minute; then by the hour. */
export const BY_MINUTE_MINUTES = 48 * 60;
const KEPT_DAYS = 30;

/**
 * Removes what is older than 30 days, and adds up to hours what is older than 48 hours. Several
 * processes may do it at the same time: only what one has deleted does it add again.
 */
export async function compactActivity(db: Queryable): Promise<void> {
  await db.query(
    `DELETE FROM orderonce.activity WHERE minute < now() - make_interval(days => $1)`,
    [KEPT_DAYS],
  );
  await db.query(
    `WITH old AS (
       DELETE FROM orderonce.activity
        WHERE minute < date_trunc('hour', now() - make_interval(mins => $1), 'UTC')
          AND minute <> date_trunc('hour', minute, 'UTC')
       RETURNING minute, owner, outcome, source, n)
     INSERT INTO orderonce.activity AS a (minute, owner, outcome, source, n)
     SELECT date_trunc('hour', minute, 'UTC'), owner, outcome, source, sum(n)::bigint
       FROM old GROUP BY 1, 2, 3, 4
     ON CONFLICT (minute, owner, outcome, source) DO UPDATE SET n = a.n + excluded.n`,
    [BY_MINUTE_MINUTES],
  );
}

export type ActivityQuery = {
  readonly steps: number;
  readonly stepMinutes: number;
  /** What each series stands for. */
  readonly by: 'outcome' | 'source' | 'owner';
  readonly outcome?: string | undefined;
  readonly source?: string | undefined;
};

export type Activity = {
  /** UTC, as events spell it. */
  readonly from: string;
  readonly asOf: string;
  /** A step is numbered from 0; one without records is absent. */
  readonly rows: readonly { readonly step: number; readonly name: string; readonly n: number }[];
};

const NAMES = { outcome: 'outcome', source: 'source', owner: 'owner' } as const;

/** The counts of the last `steps` steps, the current one included. */
export async function readActivity(
  db: Queryable,
  { steps, stepMinutes, by, outcome, source }: ActivityQuery,
): Promise<Activity> {
  const bounds = `SELECT to_timestamp((floor(extract(epoch FROM now()) / 60 / $2) - $1 + 1) * 60 * $2)
    AS start`;
  const { rows } = await db.query<Omit<Activity, 'rows'> & { rows: Activity['rows'] | null }>(
    `WITH bounds AS (${bounds})
     SELECT ${UTC('b.start')} AS from, ${UTC('now()')} AS "asOf",
            (SELECT jsonb_agg(s) FROM (
               SELECT floor(extract(epoch FROM a.minute - b.start) / 60 / $2)::int AS step,
                      a.${NAMES[by]} AS name, sum(a.n)::bigint AS n
                 FROM orderonce.activity a
                WHERE a.minute >= b.start AND ($3::text IS NULL OR a.outcome = $3)
                  AND ($4::text IS NULL OR a.source = $4)
                GROUP BY 1, 2) s WHERE s.step < $1) AS rows
       FROM bounds b`,
    [steps, stepMinutes, outcome ?? null, source ?? null],
  );
  const { from = '', asOf = '', rows: counts = null } = rows[0] ?? {};
  return { from, asOf, rows: counts ?? [] };
}

/** What the overview shows of the table. */
export type RecentActivity = {
  /** Records of any outcome in the last full minute. */
  readonly lastMinute: number;
  readonly duplicatesLastHour: number;
  readonly conflictsLastHour: number;
};

export async function readRecentActivity(db: Queryable): Promise<RecentActivity> {
  const { rows } = await db.query<RecentActivity>(
    `SELECT coalesce(sum(n) FILTER (WHERE minute = date_trunc('minute', now(), 'UTC')
                                                   - interval '1 minute'), 0)::bigint AS "lastMinute",
            coalesce(sum(n) FILTER (WHERE outcome = 'duplicate'), 0)::bigint AS "duplicatesLastHour",
            coalesce(sum(n) FILTER (WHERE outcome = 'conflict'), 0)::bigint AS "conflictsLastHour"
       FROM orderonce.activity WHERE minute > now() - interval '1 hour'`,
  );
  return rows[0] as RecentActivity;
}
