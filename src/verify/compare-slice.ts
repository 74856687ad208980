/** Record by record: does the log hold what the tables say became of it? */
import { decodeRecords, type EventRecord } from '../log/decoded-record.ts';
import type { LogRecord, LogSlice } from '../log/event-log.ts';
import type { LogPartition } from '../store/log-place.ts';
import { findOutcomes, type Outcome } from '../store/outcomes.ts';
import type { Queryable } from '../store/pool.ts';

export type LogFinding = {
  readonly kind: 'unaccounted' | 'differs' | 'not in the log';
  readonly partition: number;
  readonly offset: number;
  readonly message: string;
};

/** @returns what contradicts, in log order; none where each record is the one that was processed. */
export async function compareSlice(
  db: Queryable,
  place: LogPartition,
  slice: LogSlice,
): Promise<LogFinding[]> {
  const events = new Map(decodeRecords(slice.records).events.map((e) => [e.record.offset, e]));
  const ids = [...events.values()].map(({ event }) => event.eventId);
  const range = { from: slice.from, to: slice.next };
  const outcomes = await findOutcomes(db, place, range, ids);
  const finding = (kind: LogFinding['kind'], offset: number, message: string): LogFinding => ({
    kind,
    partition: place.partition,
    offset,
    message,
  });
  const gaps = outcomes.filter(({ kind }) => kind === 'gap');
  const findings = slice.gaps
    .filter((gap) => gap.reason !== 'compacted' && !isCovered(gap, gaps))
    .map(({ from }) => finding('unaccounted', from, 'is a gap that nobody has named'));
  const byOffset = Map.groupBy(
    outcomes.filter(({ kind }) => kind !== 'gap'),
    ({ from }) => from,
  );
  for (const record of slice.records) {
    const { offset } = record;
    const here = byOffset.get(offset) ?? [];
    byOffset.delete(offset);
    const gap = gaps.find((named) => isWithin(offset, named));
    if (gap !== undefined) findings.push(finding('differs', offset, 'is called a gap'));
    else if (here.length === 0) findings.push(finding('unaccounted', offset, 'has no outcome'));
    else if (!here.some((outcome) => isOf(outcome, record, events.get(offset)))) {
      const kinds = here.map(({ kind }) => kind).join();
      findings.push(finding('differs', offset, `is not the record that became ${kinds}`));
    }
  }
  for (const [offset, here] of byOffset) {
    // Compaction takes records away long after they were processed.
    if (slice.gaps.some((gap) => gap.reason === 'compacted' && isWithin(offset, gap))) continue;
    const kinds = here.map(({ kind }) => kind).join();
    findings.push(finding('not in the log', offset, `has the outcome ${kinds}`));
  }
  return findings.sort((a, b) => a.offset - b.offset);
}

type Range = { readonly from: number; readonly to: number };

const isWithin = (offset: number, { from, to }: Range) => offset >= from && offset < to;

/** Whether the named gaps, joined where they meet, hold all of this one. */
function isCovered({ from, to }: Range, named: readonly Range[]): boolean {
  let reached = from;
  for (const gap of named.toSorted((a, b) => a.from - b.from)) {
    if (gap.from <= reached) reached = Math.max(reached, gap.to);
  }
  return reached >= to;
}

/** Whether this outcome is that of this very record. */
function isOf(outcome: Outcome, { value }: LogRecord, event: EventRecord | undefined): boolean {
  if (outcome.kind === 'dead_letter' || outcome.kind === 'edited') {
    // A letter claims the id of exactly what its bytes hold.
    if (outcome.kind === 'dead_letter' && outcome.digest !== (event?.digest ?? null)) return false;
    if (value === null || outcome.value === null) return value === outcome.value;
    return outcome.value.equals(value);
  }
  if (event?.event.eventId !== outcome.eventId) return false;
  // A duplicate of an id whose first was redriven with an edit of garbage may lack a digest.
  return outcome.digest === null || outcome.digest === event?.digest;
}
