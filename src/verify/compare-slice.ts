/** Compares the records of a slice with the outcomes that the tables have for them. */
import { digestOf, typedDigestOf } from '../event/order-event.ts';
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
    else if (!here.some((outcome) => isOf(outcome, record, events.get(offset), source))) {
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
function isOf(
  outcome: Outcome,
  { value }: LogRecord,
  event: EventRecord | undefined,
  source: RecordSource,
): boolean {
  if (outcome.kind === 'dead_letter' || outcome.kind === 'edited') {
    if (outcome.kind === 'dead_letter' && !hasDigestOf(outcome, event, source)) return false;
    if (value === null || outcome.value === null) return value === outcome.value;
    return outcome.value.equals(value);
  }
  if (event?.event.eventId !== outcome.eventId) return false;
  if (outcome.kind === 'stored' && !hasIdsOf(outcome, event)) return false;
  // If the tables have no digest for it, only the ids can be compared.
  return outcome.digest === null || isDigestOf(outcome.digest, event, source);
}

/** The digest is over the stored ids, so the texts that they were made of are compared here. */
function hasIdsOf({ sentEventId, sentOrderId }: Outcome, { event }: EventRecord): boolean {
  const { eventId = null, orderId = null } = event.sentIds ?? {};
  return sentEventId === eventId && sentOrderId === orderId;
}

/** How many versions before the newest are tried. */
const VERSIONS_MAX = 100;

/**
 * The digest covers the version. An event that says none was taken for one of the newest version that
 * its deployment knew, or of version 1 if that did not know the type.
 */
function isDigestOf(
  digest: string,
  { event, ...read }: EventRecord,
  source: RecordSource,
): boolean {
  if (digest === read.digest) return true;
  const { type, version: newest = 1, data } = event;
  if (type === undefined || jsonIn(read.record, source)?.version !== undefined) return false;
  const ofEnvelope = digestOf({ ...event, type: undefined });
  const isOfVersion = (version: number) =>
    digest === typedDigestOf(ofEnvelope, { type, version, data });
  for (let version = newest - 1; version >= Math.max(1, newest - VERSIONS_MAX); version--) {
    if (isOfVersion(version)) return true;
  }
  return isOfVersion(1);
}

/** The members of the event in a record; undefined if it is not a JSON object. */
function jsonIn(record: LogRecord, source: RecordSource): Record<string, unknown> | undefined {
  const { decode } = source.rules;
  const decoded = isDecoded(source) ? decode?.decode(record, source.topic) : { json: record.value };
  if (typeof decoded !== 'object' || !('json' in decoded)) return undefined;
  try {
    return JSON.parse(String(decoded.json)) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** The digest of a dead letter is that of the event in its bytes; it has none without an event. */
function hasDigestOf(
  { digest }: Outcome,
  event: EventRecord | undefined,
  source: RecordSource,
): boolean {
  if (event === undefined) return digest === null;
  if (digest !== null) return isDigestOf(digest, event, source);
  const { event: read } = event;
  // A deployment that did not know types or text ids, or whose decode function was another one, found
  // no event in such bytes. Older releases accepted timestamps in RFC 3339 only.
  if (read.type !== undefined || read.sentIds !== undefined || isDecoded(source)) return true;
  return !isRfc3339(String(jsonIn(event.record, source)?.timestamp));
}
