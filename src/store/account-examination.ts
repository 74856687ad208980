/**
 * All questions about a part of the account in one statement, so that the rows of the part are read
 * once.
 */
import {
  miscountedIn,
  type OffsetFinding,
  type StoredSum,
  storedIn,
  straysIn,
} from './account-queries.ts';
import { askedIn } from './account-questions.ts';
import { askIn, type Scope } from './account-scope.ts';
import type { LogPartition } from './log-place.ts';
import type { Transaction } from './queryable.ts';
import type { Question, RowFinding } from './questions.ts';

export type Examination = {
  readonly offsets: readonly OffsetFinding[];
  readonly rows: readonly RowFinding[];
  /** What is stored in the scope's windows. A partition of which nothing is stored is missing. */
  readonly stored: readonly (StoredSum & LogPartition)[];
};

const listOf = (sql: string) => `(SELECT coalesce(json_agg(found), '[]') FROM (${sql}) found)`;

/**
 * Examines a part of the account.
 * @param tx a snapshot.
 */
export async function examineScope(
  tx: Transaction,
  scope: Scope,
  questions: readonly Question[],
): Promise<Examination> {
  const all = (texts: readonly string[]) => texts.map((text) => `(${text})`).join(' UNION ALL ');
  const offsets = all([miscountedIn(scope), straysIn(scope)]);
  const rows = all(questions.map((question) => askedIn(scope, question)));
  const [found] = await askIn<Examination>(
    tx,
    scope,
    `SELECT ${listOf(offsets)} AS offsets, ${listOf(rows)} AS rows, ${listOf(storedIn(scope))} AS stored`,
  );
  return found as Examination;
}
