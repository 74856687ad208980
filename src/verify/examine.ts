/** Asks everything that `verify` asks of the tables alone, in a scope. */
import { type Examination, examineScope } from '../store/account-examination.ts';
import { type OffsetRange, scopeOfId, scopeOfRanges } from '../store/account-parts.ts';
import type { OffsetFinding } from '../store/account-queries.ts';
import { QUESTIONS } from '../store/account-questions.ts';
import { type Scope, withoutData } from '../store/account-scope.ts';
import { hasTypedEvents } from '../store/event-data.ts';
import type { Projection } from '../store/orders-projection.ts';
import type { Finding } from '../store/proof-findings.ts';
import type { Transaction } from '../store/queryable.ts';
import type { Question } from '../store/questions.ts';
import { checkTypedEvents } from './typed-events.ts';

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

/** What is asked about rows. @param projection null: ORDERS_PROJECTION=off. */
export function questionsOf(projection: Projection | null): readonly Question[] {
  return [...QUESTIONS, ...(projection?.questions ?? [])];
}

/**
 * @param tx a snapshot.
 * @returns no findings is the proof. Whether data fits its declared type is not asked: processes of
 * two releases may declare it differently.
 */
export async function examine(
  tx: Transaction,
  scope: Scope,
  projection: Projection | null,
): Promise<Examined> {
  const hasTypes = await hasTypedEvents(tx);
  const { offsets, rows, stored } = await examineScope(
    tx,
    hasTypes ? scope : withoutData(scope),
    questionsOf(projection),
  );
  const typed = hasTypes ? (await checkTypedEvents(tx, scope, null)).findings : [];
  const findings = [
    ...offsets.map(({ kind, ...range }) => {
      const message = MESSAGES[kind];
      return { kind, subject: rangeText(range), message, evidence: message };
    }),
    ...[...rows, ...typed].map(({ id, ...found }) => ({ ...found, subject: id })),
  ];
  return { findings, stored };
}

/** The scope in which a finding with this subject is found again, if it still exists. */
export function scopeOfSubject(subject: string): Scope {
  const range = parseRange(subject);
  return range === null ? scopeOfId(subject) : scopeOfRanges([range]);
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
