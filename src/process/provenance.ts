/** Why a record repeats an event id: told from who brought it and who brought the first. Pure. */
import type { EventRecord } from '../log/decoded-record.ts';
import { isOfSameProcess, requestMs } from '../log/request-id.ts';
import type { Repeat, RepeatSource } from '../store/duplicates.ts';
import type { Claim } from '../store/processed-events.ts';

export function repeatOf(event: EventRecord, claim: Claim): Repeat {
  const { requestId, record } = event;
  const arrivedMs = requestId === null ? record.appendedMs : requestMs(requestId);
  const afterMs = claim.requestId === null ? null : arrivedMs - requestMs(claim.requestId);
  return { event, claim, source: sourceOf(requestId, claim.requestId), afterMs };
}

function sourceOf(requestId: string | null, first: string | null): RepeatSource {
  if (requestId === null) return 'foreign_client';
  if (first === null) return 'first_was_foreign';
  if (requestId === first) return 'producer_retry';
  return isOfSameProcess(requestId, first) ? 'resent_same_process' : 'resent_other_process';
}
