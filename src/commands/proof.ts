/** `orderonce proof`: the state of the continuous proof and its findings. */
import { hostname, userInfo } from 'node:os';
import { acknowledgeFinding, type ListedFinding, listFindings } from '../store/proof-findings.ts';
import {
  HEAD_AGE_MAX_SECONDS,
  type ProofSummary,
  readProofSummary,
} from '../store/proof-summary.ts';
import type { Call } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { usage } from './redrive.ts';
import { tableOf } from './table.ts';

/** The forms of the command, for its help. */
export const PROOF_USAGE = ['[show]', 'acknowledge ID --reason WHY'];

const ITEMS_MAX = 1000;

/**
 * @returns the exit code: 1 if a finding is not acknowledged, or if the proof is not fresh.
 * @throws FINDING_UNKNOWN
 */
export async function runProof({ settings, flags, words }: Call): Promise<number> {
  const [action = 'show', id] = words;
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-proof');
  try {
    if (action === 'acknowledge') {
      const { reason } = flags;
      if (reason === undefined) throw usage('acknowledge needs --reason WHY, which is stored');
      if (!/^\d{1,15}$/.test(id ?? '')) throw usage('acknowledge needs the number of a finding');
      const actor = `${userInfo().username}@${hostname()}`;
      const finding = await acknowledgeFinding(pool, Number(id), { actor, reason });
      console.log(
        flags.json === true ? JSON.stringify(finding) : `${lineOf(finding)}: acknowledged`,
      );
      return 0;
    }
    if (action !== 'show') {
      throw usage(`Unknown action "${action}". Usage: orderonce proof ${PROOF_USAGE.join(' | ')}`);
    }
    const summary = await readProofSummary(pool);
    const items = await listFindings(pool, ITEMS_MAX);
    console.log(
      flags.json === true ? JSON.stringify({ ...summary, items }) : textOf(summary, items),
    );
    return whyNotProven(summary) === null ? 0 : 1;
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
