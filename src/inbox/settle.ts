/**
 * What becomes of each record of a piece of a batch: pure decisions, between the statements that
 * settle-piece.ts sends. Every record ends in exactly one list (G3).
 */

import type { EventRecord } from '../log/decoded-record.ts';
import type { Repeat } from '../store/duplicates.ts';
import { isSamePlace, type LogPlace } from '../store/log-place.ts';
import type { Claim, Inserted } from '../store/processed-events.ts';
import { repeatOf } from './provenance.ts';

/** What to do with a piece before anything is known of the database. */
export type Plan = {
  /** First of their id in the piece and free to take effect: to be inserted. */
  readonly firsts: readonly EventRecord[];
  /** First of their id in the piece, but the order is held or the id is a dead letter's. */
  readonly barred: readonly EventRecord[];
  /** Ids that came earlier in the piece. */
  readonly again: readonly EventRecord[];
};

/** What dead letters forbid: orders behind whose parked events others wait, and ids taken. */
export type Bars = {
  readonly heldOrders: ReadonlySet<string>;
  readonly takenIds: ReadonlySet<string>;
};
export const NO_BARS: Bars = { heldOrders: new Set(), takenIds: new Set() };

/** Settles repeats inside the piece in memory: an INSERT must not meet one id twice. */
export function planPiece(events: readonly EventRecord[], bars: Bars): Plan {
  const seen = new Set<string>();
  const plan = { firsts: [], barred: [], again: [] } as Record<keyof Plan, EventRecord[]>;
  for (const event of events) {
    const { eventId, orderId } = event.event;
    const before = seen.size;
    if (seen.add(eventId).size === before) plan.again.push(event);
    else if (bars.heldOrders.has(orderId) || bars.takenIds.has(eventId)) plan.barred.push(event);
    else plan.firsts.push(event);
  }
  return plan;
}

export type Settlement = {
  readonly stored: readonly EventRecord[];
  /** On held orders, ids free: they wait behind the parked ones. */
  readonly waiting: readonly EventRecord[];
  readonly duplicates: readonly Repeat[];
  readonly conflicts: readonly Repeat[];
  /** Records that meet their own row: read again after a rewind. Nothing is written. */
  readonly replays: readonly EventRecord[];
};

/**
 * @param inserted what the insert of plan.firsts found new, and what not.
 * @param claims who holds the ids of all the others, read by a later statement than the insert.
 * @returns null when an id was neither inserted nor is claimed by anyone. No order of events
 * allows that but a claim that was removed in between: the caller rolls back and tries again.
 */
export function settle(
  plan: Plan,
  { stored, known }: Pick<Inserted, 'stored' | 'known'>,
  claims: ReadonlyMap<string, Claim>,
  logId: number,
): Settlement | null {
  const waiting = plan.barred.filter((event) => !claims.has(event.event.eventId));
  const rest = [
    ...known,
    ...plan.barred.filter((event) => claims.has(event.event.eventId)),
    ...plan.again,
  ];
  /** Claims that came with this very piece. */
  const fresh = new Map<string, Claim>();
  const repeated = new Set(rest.map((event) => event.event.eventId));
  for (const event of [...stored, ...waiting]) {
    const { eventId } = event.event;
    if (repeated.has(eventId)) fresh.set(eventId, claimOf(event, logId));
  }
  const lists = {
    duplicates: [] as Repeat[],
    conflicts: [] as Repeat[],
    replays: [] as EventRecord[],
  };
  for (const event of rest) {
    const { eventId } = event.event;
    const claim = fresh.get(eventId) ?? claims.get(eventId);
    if (claim === undefined) return null;
    if (isSamePlace(claim, placeOf(event, logId))) lists.replays.push(event);
    // G4: the first payload wins; the same payload again is a duplicate, another a conflict.
    else if (claim.digest === event.digest) lists.duplicates.push(repeatOf(event, claim));
    else lists.conflicts.push(repeatOf(event, claim));
  }
  return { stored, waiting, ...lists };
}

function claimOf(event: EventRecord, logId: number): Claim {
  const { digest, record } = event;
  return {
    eventId: event.event.eventId,
    digest,
    requestId: record.requestId,
    ...placeOf(event, logId),
  };
}

export function placeOf({ record }: EventRecord, logId: number): LogPlace {
  return { logId, partition: record.partition, offset: record.offset };
}
