/**
 * The table proof_findings: what contradicts the account. A finding stays open until it vanishes, or
 * until somebody acknowledges it; then it no longer counts, and stays visible as long as it exists.
 */
import { OrderonceError } from '../errors.ts';
import type { Pool } from './pool.ts';
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

/** A contradiction: kind and subject identify it. */
export type Finding = {
  readonly kind: string;
  /** The id of an event, an order or a message; or log/partition/offset, or log/partition/from-to. */
  readonly subject: string;
  readonly message: string;
  /** What is wrong; see RowFinding. */
  readonly evidence: string;
};

/** More that nobody acknowledged are not stored: what is wrong with so many is seen from fewer. */
const OPEN_MAX = 10_000;
/** SQL: whether the finding is still the one that somebody may have acknowledged. */
const SAME = `f.vanished_at IS NULL AND coalesce(f.evidence, excluded.evidence) = excluded.evidence`;

/**
 * Stores findings; those that are known are marked as seen again. An acknowledgement holds only for
 * what was seen: if something else is wrong with the same subject, the finding is new.
 * @returns those that are new, or have come back, or say something else than was acknowledged.
 * @throws TOO_MANY_FINDINGS if some were not stored.
 */
export async function noteFindings(pool: Pool, findings: readonly Finding[]): Promise<Finding[]> {
  if (findings.length === 0) return [];
  const { rows } = await pool.query<Finding & { isNew: boolean }>(
    `INSERT INTO orderonce.proof_findings AS f (kind, subject, message, evidence)
     SELECT DISTINCT ON (kind, subject) kind, subject, message, evidence
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS n (kind, subject, message, evidence)
      WHERE EXISTS (SELECT FROM orderonce.proof_findings k
                     WHERE (k.kind, k.subject) = (n.kind, n.subject) AND k.vanished_at IS NULL)
         OR (SELECT count(*) FROM orderonce.proof_findings
              WHERE vanished_at IS NULL AND acknowledged_at IS NULL) < ${OPEN_MAX}
      ORDER BY kind, subject
     ON CONFLICT (kind, subject) DO UPDATE
       SET message = excluded.message, evidence = excluded.evidence, seen_at = now(), vanished_at = NULL,
           found_at = CASE WHEN ${SAME} OR (f.vanished_at IS NULL AND f.acknowledged_at IS NULL)
                           THEN f.found_at ELSE now() END,
           acknowledged_at = CASE WHEN ${SAME} THEN f.acknowledged_at END,
           acknowledged_by = CASE WHEN ${SAME} THEN f.acknowledged_by END,
           reason = CASE WHEN ${SAME} THEN f.reason END
     RETURNING kind, subject, message, evidence, found_at = now() AS "isNew"`,
    [
      findings.map(({ kind }) => kind),
      findings.map(({ subject }) => subject),
      findings.map(({ message }) => message),
      findings.map(({ evidence }) => evidence),
    ],
  );
  const given = new Set(findings.map(({ kind, subject }) => `${kind} ${subject}`)).size;
  if (rows.length < given) {
    const message = `${OPEN_MAX} findings are open, and ${given - rows.length} more cannot be stored: resolve or acknowledge some`;
    throw new OrderonceError('TOO_MANY_FINDINGS', message);
  }
  return rows.filter(({ isNew }) => isNew).map(({ isNew, ...finding }) => finding);
}

/** The findings that were not looked at for the longest time. */
export async function oldestFindings(
  db: Queryable,
  limit: number,
): Promise<(Omit<Finding, 'evidence'> & { readonly id: number })[]> {
  const { rows } = await db.query(
    `SELECT finding_id AS id, kind, subject, message FROM orderonce.proof_findings
      WHERE vanished_at IS NULL ORDER BY seen_at, finding_id LIMIT $1`,
    [limit],
  );
  return rows;
}

/** Marks findings that were looked for and not found. */
export async function markVanished(pool: Pool, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await pool.query(
    'UPDATE orderonce.proof_findings SET vanished_at = now() WHERE finding_id = ANY ($1::bigint[]) AND vanished_at IS NULL',
    [ids],
  );
}

/** A finding as lists show it, in the form of the HTTP API. */
export type ListedFinding = {
  readonly id: number;
  readonly kind: string;
  readonly subject: string;
  readonly message: string;
  /** UTC, as all times here. */
  readonly found_at: string;
  readonly seen_at: string;
  readonly acknowledged_at: string | null;
  readonly acknowledged_by: string | null;
  readonly reason: string | null;
};

const LISTED = `finding_id AS id, kind, subject, message, ${UTC('found_at')} AS found_at,
  ${UTC('seen_at')} AS seen_at, ${UTC('acknowledged_at')} AS acknowledged_at, acknowledged_by, reason`;

/** The findings that have not vanished: those that nobody acknowledged first, then the newest. */
export async function listFindings(db: Queryable, limit: number): Promise<ListedFinding[]> {
  const { rows } = await db.query<ListedFinding>(
    `SELECT ${LISTED} FROM orderonce.proof_findings WHERE vanished_at IS NULL
      ORDER BY acknowledged_at IS NOT NULL, finding_id DESC LIMIT $1`,
    [limit],
  );
  return rows;
}

/**
 * Notes that somebody knows of a finding, and why it may stay. It no longer counts, unless it
 * vanishes and comes back, or something else is wrong with the same subject.
 * @throws FINDING_UNKNOWN
 */
export async function acknowledgeFinding(
  db: Queryable,
  id: number,
  { actor, reason }: { readonly actor: string; readonly reason: string },
): Promise<ListedFinding> {
  const { rows } = await db.query<ListedFinding>(
    `UPDATE orderonce.proof_findings
        SET acknowledged_at = now(), acknowledged_by = $2, reason = $3
      WHERE finding_id = $1 AND vanished_at IS NULL RETURNING ${LISTED}`,
    [id, actor, reason],
  );
  const [finding] = rows;
  if (finding !== undefined) return finding;
  throw new OrderonceError('FINDING_UNKNOWN', `There is no finding ${id}, or it has vanished`);
}
