/** How fresh the continuous proof is and what it has found, for metrics, health, HTTP and commands. */
import { POSITIONS } from './account-scope.ts';
import type { Queryable } from './queryable.ts';
import { MILLISECONDS, UTC } from './utc.ts';

/** An older proof of the newest events counts as none. The alert OrderonceProofStale has the same limit. */
export const HEAD_AGE_MAX_SECONDS = 900;
/** A proof that has not begun after this time most likely cannot. */
export const FIRST_PROOF_MAX_SECONDS = 120;

/** The state of the proof, in the form of the HTTP API. */
export type ProofSummary = {
  /** Seconds since everything up to the positions of that moment was proven; null if never. */
  readonly head_age_seconds: number | null;
  /** Seconds since the last round of the patrol that has ended began; null if none has. */
  readonly full_age_seconds: number | null;
  /** Offsets between what is proven and the positions. */
  readonly behind_records: number;
  /** By kind, how many findings nobody has acknowledged. */
  readonly findings: Readonly<Record<string, number>>;
  /** The process that proves; null if none does. */
  readonly owner: string | null;
  /** Why the proof does not advance; null if it does. */
  readonly trouble: string | null;
  /** What the patrol visits, and since when (UTC); null between two rounds. */
  readonly patrol: string | null;
  readonly round_started_at: string | null;
};

/** Whole milliseconds since a time; null if there is none. */
const AGE = (column: string) => MILLISECONDS(`greatest(now() - ${column}, interval '0')`);

export async function readProofSummary(db: Queryable): Promise<ProofSummary> {
  const { rows } = await db.query(
    `SELECT CASE WHEN head_at IS NOT NULL THEN ${AGE('head_at')} END AS head_ms,
            CASE WHEN proven_at IS NOT NULL THEN ${AGE('proven_at')} END AS full_ms,
            (SELECT coalesce(sum(greatest(0, p.next_offset - coalesce(g.head_to, p.start_offset))), 0)
               FROM (${POSITIONS}) p LEFT JOIN orderonce.proof_progress g USING (log_id, log_partition)
            )::bigint AS behind_records,
            (SELECT coalesce(jsonb_object_agg(kind, n), '{}')
               FROM (SELECT kind, count(*) AS n FROM orderonce.proof_findings
                      WHERE vanished_at IS NULL AND acknowledged_at IS NULL GROUP BY kind) f) AS findings,
            CASE WHEN lease_until >= now() THEN owner END AS owner, trouble, patrol ->> 'part' AS patrol,
            ${UTC('round_started_at')} AS round_started_at
       FROM orderonce.proof_worker`,
  );
  const { head_ms, full_ms, ...rest } = rows[0];
  return { head_age_seconds: secondsOf(head_ms), full_age_seconds: secondsOf(full_ms), ...rest };
}

const secondsOf = (ms: number | null) => (ms === null ? null : ms / 1000);

/** The state of the proof in short, for the overview. */
export type ProofState = {
  /** Findings that nobody has acknowledged: contradictions in the tables. */
  readonly findings: number;
  readonly kinds: readonly string[];
  /** When the oldest of them was found; UTC, as events spell it. */
  readonly since: string | null;
  /** Seconds since everything up to the positions of that moment was proven; null if never. */
  readonly headAgeSeconds: number | null;
  /** Seconds since consumers first ran here: for so long, something could have been proven. */
  readonly deployedSeconds: number;
  /** Why the proof does not advance; null if it does. */
  readonly trouble: string | null;
};

export async function readProofState(db: Queryable): Promise<ProofState> {
  const { rows } = await db.query(
    `SELECT count(finding_id) AS findings, coalesce(array_agg(DISTINCT kind ORDER BY kind) FILTER (
              WHERE finding_id IS NOT NULL), '{}') AS kinds, ${UTC('min(found_at)')} AS since,
            CASE WHEN head_at IS NOT NULL THEN ${AGE('head_at')} END AS head_ms,
            coalesce((SELECT ${AGE('min(recorded_at)')} FROM orderonce.deployment_handlers), 0) AS deployed_ms,
            trouble
       FROM orderonce.proof_worker LEFT JOIN orderonce.proof_findings
            ON vanished_at IS NULL AND acknowledged_at IS NULL
      GROUP BY head_at, trouble`,
  );
  const [{ head_ms, deployed_ms, ...state }] = rows;
  return { ...state, headAgeSeconds: secondsOf(head_ms), deployedSeconds: deployed_ms / 1000 };
}
