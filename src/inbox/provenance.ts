/**
 * Finds out why a record repeats an event id, by comparing the request that brought it with the
 * request that brought the first record. Pure.
 */
import type { EventRecord } from '../log/decoded-record.ts';
import { isOfSameProcess, requestMs } from '../log/request-id.ts';
import type { Repeat, RepeatSource } from '../store/duplicates.ts';
import type { Claim } from '../store/processed-events.ts';

/** @param claim of the record that has the event id. */
export function repeatOf(event: EventRecord, claim: Claim): Repeat {
  const { record } = event;
  const { requestId } = record;
  const arrivedMs = requestId === null ? plausible(record.appendedMs) : requestMs(requestId);
  const firstMs = claim.requestId === null ? null : requestMs(claim.requestId);
  const afterMs = arrivedMs === null || firstMs === null ? null : Math.trunc(arrivedMs - firstMs);
  return { event, claim, source: sourceOf(requestId, claim.requestId), afterMs };
}

/** A foreign client may have written any number as a record's time; null if it is no such time. */
function plausible(ms: number): number | null {
  return ms >= 0 && ms < Date.UTC(10_000) ? ms : null;
}

function sourceOf(requestId: string | null, first: string | null): RepeatSource {
  if (requestId === null) return 'foreign_client';
  if (first === null) return 'first_was_foreign';
  if (requestId === first) return 'producer_retry';
  return isOfSameProcess(requestId, first) ? 'resent_same_process' : 'resent_other_process';
}
