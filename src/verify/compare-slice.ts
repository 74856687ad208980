/** Compares the records of a slice with the outcomes that the tables have for them. */
import { digestOf } from '../event/order-event.ts';
import { isRfc3339 } from '../event/timestamp.ts';
import { decodeInTurns, isDecoded, type RecordSource } from '../log/decode-hook.ts';
import type { EventRecord } from '../log/decoded-record.ts';
import type { LogRecord, LogSlice } from '../log/event-log.ts';
import type { LogPartition } from '../store/log-place.ts';
import { findOutcomes, findUndecoded, type Outcome } from '../store/outcomes.ts';
import type { Queryable } from '../store/queryable.ts';

/**
 * A contradiction between the log and the tables. `unaccounted`: an offset of the log has no
 * outcome; `differs`: it has the outcome of another record; `not in the log`: the tables have an
 * outcome for an offset at which the log has no record.
 */
export type LogFinding = {
  readonly kind: 'unaccounted' | 'differs' | 'not in the log';
  /** Absent if one topic is compared. */
  readonly topic?: string;
  readonly partition: number;
  readonly offset: number;
  /** Continues "partition 3, offset 7 …". */
  readonly message: string;
};

/** @returns the contradictions in log order; none if each record is the one that was processed. */
export async function compareSlice(
  db: Queryable,
  place: LogPartition,
  slice: LogSlice,
  source: RecordSource,
): Promise<LogFinding[]> {
  const range = { from: slice.from, to: slice.next };
  // Processes may have died of decoding these, and their bytes are in the tables.
  const undecoded = isDecoded(source) ? await findUndecoded(db, place, range) : new Set<number>();
  const decodable = slice.records.filter(({ offset }) => !undecoded.has(offset));
  const decoded = await decodeInTurns(decodable, source);
  const events = new Map(decoded.events.map((e) => [e.record.offset, e]));
  const ignored = new Set(decoded.ignored.map(({ offset }) => offset));
  const ids = [...events.values()].map(({ event }) => event.eventId);
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
    .map(({ from }) => finding('unaccounted', from, 'is a gap that is not in log_gaps'));
  const byOffset = Map.groupBy(
    outcomes.filter(({ kind }) => kind !== 'gap'),
    ({ from }) => from,
  );
  for (const record of slice.records) {
    const { offset } = record;
    const here = byOffset.get(offset) ?? [];
    byOffset.delete(offset);
    const gap = gaps.find((named) => isWithin(offset, named));
    if (gap !== undefined && ignored.has(offset) && gap.reason === 'ignored') continue;
    if (gap !== undefined)
      findings.push(finding('differs', offset, 'holds a record, but is in log_gaps'));
    else if (here.length === 0) findings.push(finding('unaccounted', offset, 'has no outcome'));
    else if (!here.some((outcome) => isOf(outcome, record, events.get(offset)))) {
      const kinds = here.map(({ kind }) => kind).join();
      findings.push(finding('differs', offset, `is not the record that became ${kinds}`));
    }
  }
  for (const [offset, here] of byOffset) {
    // Compaction removes records long after they were processed.
    if (slice.gaps.some((gap) => gap.reason === 'compacted' && isWithin(offset, gap))) continue;
    const kinds = here.map(({ kind }) => kind).join();
    findings.push(finding('not in the log', offset, `has the outcome ${kinds}`));
  }
  return findings.sort((a, b) => a.offset - b.offset);
}

type Range = { readonly from: number; readonly to: number };

const isWithin = (offset: number, { from, to }: Range) => offset >= from && offset < to;

/** Whether the gaps in log_gaps, joined where they touch, cover this one entirely. */
function isCovered({ from, to }: Range, named: readonly Range[]): boolean {
  let reached = from;
  for (const gap of named.toSorted((a, b) => a.from - b.from)) {
    if (gap.from <= reached) reached = Math.max(reached, gap.to);
  }
  return reached >= to;
}

/** Whether this outcome belongs to exactly this record. */
function isOf(outcome: Outcome, { value }: LogRecord, event: EventRecord | undefined): boolean {
  if (outcome.kind === 'dead_letter' || outcome.kind === 'edited') {
    if (outcome.kind === 'dead_letter' && !hasDigestOf(outcome, event)) return false;
    if (value === null || outcome.value === null) return value === outcome.value;
    return outcome.value.equals(value);
  }
  if (event?.event.eventId !== outcome.eventId) return false;
  // If the tables have no digest for it, only the ids can be compared.
  return outcome.digest === null || isDigestOf(outcome.digest, event);
}

/**
 * The digest covers the version. An event that says none was taken for one of the newest version that
 * its deployment knew, or of version 1 if that did not know the type.
 */
function isDigestOf(digest: string, { event, digest: ofEvent, record }: EventRecord): boolean {
  if (digest === ofEvent || event.type === undefined || saysVersion(record)) {
    return digest === ofEvent;
  }
  const { version: newest = 1 } = event;
  const versions = Array.from({ length: newest }, (_, n) => n + 1);
  return versions.some((version) => digest === digestOf({ ...event, version }));
}

/** Records that a function decodes are not read here, and count as saying one. */
function saysVersion({ value }: LogRecord): boolean {
  try {
    return 'version' in (JSON.parse(String(value)) as object);
  } catch {
    return true;
  }
}

/** The digest of a dead letter is that of the event in its bytes; it has none without an event. */
function hasDigestOf({ digest }: Outcome, event: EventRecord | undefined): boolean {
  if (event === undefined) return digest === null;
  if (digest !== null) return isDigestOf(digest, event);
  const { event: read } = event;
  // A deployment that did not know types or text ids found no event in such bytes. Older releases
  // accepted timestamps in RFC 3339 only.
  if (read.type !== undefined || read.sentIds !== undefined) return true;
  const { timestamp } = JSON.parse(String(event.record.value)) as { timestamp: string };
  return !isRfc3339(timestamp);
}
