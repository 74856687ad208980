/** `orderonce proof`: the state of the continuous proof and its findings. */
import { acknowledgeFinding, type ListedFinding, listFindings } from '../store/proof-findings.ts';
import {
  HEAD_AGE_MAX_SECONDS,
  type ProofSummary,
  readProofSummary,
} from '../store/proof-summary.ts';
import { actorName } from './actor.ts';
import { type Call, EXIT } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { tableOf } from './table.ts';
import { usageError } from './values.ts';

const ITEMS_MAX = 1000;

/**
 * @returns the exit code: 1 if a finding is not acknowledged, or if the proof is not fresh.
 * @throws FINDING_UNKNOWN
 */
export async function runProof({ settings, flags, action, words, out }: Call): Promise<number> {
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-proof');
  try {
    if (action === 'acknowledge') {
      const [id = ''] = words;
      if (!/^\d{1,15}$/.test(id)) throw usageError('acknowledge needs the number of a finding');
      const why = { actor: actorName(), reason: flags.reason ?? '' };
      const finding = await acknowledgeFinding(pool, Number(id), why);
      out.data(`${lineOf(finding)}: acknowledged`, finding);
      return EXIT.ok;
    }
    const summary = await readProofSummary(pool);
    const items = await listFindings(pool, ITEMS_MAX);
    out.data(textOf(summary, items), { ...summary, items });
    return whyNotProven(summary) === null ? EXIT.ok : EXIT.failed;
  } finally {
    await pool.end();
  }
}

/** In words; null if the account is proven. */
function whyNotProven({ findings, head_age_seconds: age, trouble }: ProofSummary): string | null {
  const open = Object.values(findings).reduce((sum, n) => sum + n, 0);
  if (open > 0) return `${open} findings contradict the account`;
  const why = trouble === null ? '' : ` (${trouble})`;
  if (age === null) return `nothing has been proven yet${why}. Does a consumer run, with PROOF=on?`;
  if (age > HEAD_AGE_MAX_SECONDS) return `the newest events were proven ${ageText(age)}${why}`;
  return null;
}

function textOf(summary: ProofSummary, items: readonly ListedFinding[]): string {
  const { head_age_seconds: head, full_age_seconds: full, behind_records: behind } = summary;
  const rows = items.map((f) => [
    f.id,
    f.kind,
    f.subject,
    f.message,
    f.found_at,
    f.acknowledged_at === null ? '' : `${f.acknowledged_by}: ${f.reason}`,
  ]);
  const header = ['id', 'kind', 'subject', 'message', 'found at', 'acknowledged'];
  const why = whyNotProven(summary);
  return [
    `newest events  proven ${ageText(head)}; ${behind} records are not proven yet`,
    `all tables     proven ${ageText(full)}${summary.patrol === null ? '' : `; the round now visits ${summary.patrol}`}`,
    `proved by      ${summary.owner ?? 'nobody'}${summary.trouble === null ? '' : `; ${summary.trouble}`}`,
    ...(rows.length === 0 ? [] : [tableOf(header, rows)]),
    why === null ? 'Proven.' : `NOT proven: ${why}.`,
  ].join('\n');
}

function lineOf({ id, kind, subject, message }: ListedFinding): string {
  return `${id}  ${kind}  ${subject}  ${message}`;
}

function ageText(seconds: number | null): string {
  if (seconds === null) return 'never';
  if (seconds < 120) return `${Math.round(seconds)} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}
