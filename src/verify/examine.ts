/** Asks everything that `verify` asks of the tables, in a scope. */
import { findMiscounted, findStrays, type OffsetFinding } from '../store/account-queries.ts';
import { ask, QUESTIONS } from '../store/account-questions.ts';
import { type OffsetRange, type Scope, scopeOfId, scopeOfRanges } from '../store/account-scope.ts';
import type { Finding } from '../store/proof-findings.ts';
import type { Transaction } from '../store/queryable.ts';

const MESSAGES: Readonly<Record<OffsetFinding['kind'], string>> = {
  hole: 'offsets before the position have no outcome',
  overlap: 'offsets have more than one outcome',
  ahead: 'outcomes are at or after the position',
  unowned: 'outcomes are in a partition that has no position, or before its start',
};

/** @param tx a snapshot. @returns what contradicts the account; nothing is the proof. */
export async function examine(
  tx: Transaction,
  scope: Scope,
  withoutOrders: boolean,
): Promise<Finding[]> {
  const offsets = [...(await findMiscounted(tx, scope)), ...(await findStrays(tx, scope))];
  const findings: Finding[] = offsets.map((f) => ({
    kind: f.kind,
    subject: rangeText(f),
    message: MESSAGES[f.kind],
  }));
  for (const question of QUESTIONS.filter((q) => !(withoutOrders && q.isOfOrders))) {
    const rows = await ask(tx, scope, question);
    findings.push(...rows.map(({ kind, id, message }) => ({ kind, subject: id, message })));
  }
  return findings;
}

/** The scope in which a finding with this subject is found again, if it still exists. */
export async function scopeOfSubject(tx: Transaction, subject: string): Promise<Scope> {
  const range = parseRange(subject);
  return range === null ? scopeOfId(subject) : await scopeOfRanges(tx, [range]);
}

/** Offsets as operators read them: log/partition/first-last. */
export function rangeText({ logId, partition, from, to }: OffsetRange): string {
  return `${logId}/${partition}/${from}-${to - 1}`;
}

/** Reads such a text, or the place of one offset. @returns null if it is another subject. */
export function parseRange(text: string): OffsetRange | null {
  const match = /^(\d+)\/(\d+)\/(\d+)(?:-(\d+))?$/.exec(text);
  if (match === null) return null;
  const [logId, partition, from, last = from] = match
    .slice(1)
    .map((n) => n && Number(n)) as number[];
  return { logId, partition, from, to: (last as number) + 1 } as OffsetRange;
}
