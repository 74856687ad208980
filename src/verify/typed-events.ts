/**
 * What is asked about typed events: whether the data of each is that of its digest, and whether it
 * fits the declared type. Only JavaScript knows the canonical form of data, so this is not SQL.
 */
import { readData } from '../event/canonical-data.ts';
import type { DeclaredEvents } from '../event/declared-events.ts';
import { typedDigestOf } from '../event/order-event.ts';
import { FINDINGS_MAX } from '../store/account-queries.ts';
import type { Scope } from '../store/account-scope.ts';
import { readTypedEvents, type TypedRow } from '../store/event-data.ts';
import { findAlteredTypes } from '../store/event-types.ts';
import type { Transaction } from '../store/queryable.ts';
import type { RowFinding } from '../store/questions.ts';

/** What the check of typed events found. */
export type TypedVerdict = {
  /** The contradictions, at most FINDINGS_MAX of each kind. */
  readonly findings: readonly RowFinding[];
  /** How many events have a type or version that is not declared here: only their digest was checked. */
  readonly undeclared: number;
};

/**
 * Whether the recorded types are those that `migrate` has written. One that is missing is noticed by
 * every service, which then waits for `migrate`.
 */
export async function checkRecordedTypes(tx: Transaction): Promise<RowFinding[]> {
  const message = 'was changed in event_types';
  const altered = await findAlteredTypes(tx);
  return altered.map((id) => ({ kind: 'event type', id, message, evidence: message }));
}

/** @param declared the types that data must fit; null to compare digests only. */
export async function checkTypedEvents(
  tx: Transaction,
  scope: Scope,
  declared: DeclaredEvents | null,
): Promise<TypedVerdict> {
  const altered: RowFinding[] = [];
  const misfits: RowFinding[] = [];
  let undeclared = 0;
  for await (const row of readTypedEvents(tx, scope)) {
    const { eventId: id, type, version } = row;
    const found = digestIn(row);
    if (found !== row.digest && altered.length < FINDINGS_MAX) {
      const message = 'the row or its data does not have its digest';
      altered.push({ kind: 'altered', id, message, evidence: found ?? message });
    }
    const known = declared?.types.get(type);
    if (known === undefined || !known.knows(version)) {
      undeclared++;
      continue;
    }
    if (misfits.length >= FINDINGS_MAX) continue;
    const [issue] = known.check(version, row.data === null ? undefined : JSON.parse(row.data));
    if (issue === undefined) continue;
    const path = ['data', ...issue.path].join('.');
    const message = `is no valid ${type}@${version}: ${path}: ${issue.msg}`;
    misfits.push({ kind: 'event type', id, message, evidence: message });
  }
  return { findings: [...altered, ...misfits], undeclared };
}

/** @returns null if the data is no data of an event at all. */
function digestIn({ type, version, data, envelopeDigest }: TypedRow): string | null {
  const reading = data === null ? { text: undefined } : readData(data);
  if (!('text' in reading)) return null;
  return typedDigestOf(envelopeDigest, { type, version, data: reading.text });
}
