/** Asks everything that `verify` asks of the tables, in a scope. */
import { type Examination, examineScope } from '../store/account-examination.ts';
import type { OffsetFinding } from '../store/account-queries.ts';
import { type OffsetRange, type Scope, scopeOfId, scopeOfRanges } from '../store/account-scope.ts';
import type { Finding } from '../store/proof-findings.ts';
import type { Transaction } from '../store/queryable.ts';

const MESSAGES: Readonly<Record<OffsetFinding['kind'], string>> = {
  hole: 'offsets before the position have no outcome',
  overlap: 'offsets have more than one outcome',
  ahead: 'outcomes are at or after the position',
  unowned: 'outcomes are in a partition that has no position, or before its start',
};

/** What a part of the account contradicts, and what is stored in it. */
export type Examined = {
  readonly findings: readonly Finding[];
  readonly stored: Examination['stored'];
};

/** @param tx a snapshot. @returns no findings is the proof. */
export async function examine(
  tx: Transaction,
  scope: Scope,
  withoutOrders: boolean,
): Promise<Examined> {
  const { offsets, rows, stored } = await examineScope(tx, scope, withoutOrders);
  const findings = [
    ...offsets.map((f) => ({ kind: f.kind, subject: rangeText(f), message: MESSAGES[f.kind] })),
    ...rows.map(({ kind, id, message }) => ({ kind, subject: id, message })),
  ];
  return { findings, stored };
}

/** The scope in which a finding with this subject is found again, if it still exists. */
export function scopeOfSubject(subject: string, withoutOrders: boolean): Scope {
  const range = parseRange(subject);
  return range === null ? scopeOfId(subject) : scopeOfRanges([range], withoutOrders);
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
