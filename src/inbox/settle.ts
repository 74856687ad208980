/**
 * The pure decisions between the statements that settle-records.ts sends. They put every event into
 * exactly one list (G3).
 */
import type { EventRecord } from '../log/decoded-record.ts';
import type { Repeat } from '../store/duplicates.ts';
import { isSamePlace, type LogPlace } from '../store/log-place.ts';
import type { Claim, Inserted } from '../store/processed-events.ts';
import { repeatOf } from './provenance.ts';

/** What is to be done with the events of a batch, before the insert. */
export type Plan = {
  /** To be inserted: the first event of its id in this batch, and not blocked. */
  readonly firsts: readonly EventRecord[];
  /** Also the first event of its id in this batch, but its order is held or its id is taken. */
  readonly blocked: readonly EventRecord[];
  /** Also the first of its id, but this deployment cannot take it. It is to be parked. */
  readonly unfit: readonly EventRecord[];
  /** An event with the same id came earlier in this batch. */
  readonly again: readonly EventRecord[];
};

/** Which events must not be inserted. */
export type Blocked = {
  /** Ids of orders with a parked event; other events of these orders must wait behind it. */
  readonly heldOrders: ReadonlySet<string>;
  /** Event ids that are known to be taken: by dead letters, and in some modes by stored events. */
  readonly takenIds: ReadonlySet<string>;
};
export const NOTHING_BLOCKED: Blocked = { heldOrders: new Set(), takenIds: new Set() };

/** Sorts the events of a batch, so that the insert gets each id only once. Pure. */
export function planRecords(events: readonly EventRecord[], blocked: Blocked): Plan {
  const seen = new Set<string>();
  // Orders of this batch that are held from here on, because an event of theirs is to be parked.
  const held = new Set<string>();
  const plan: Record<keyof Plan, EventRecord[]> = { firsts: [], blocked: [], unfit: [], again: [] };
  for (const event of events) {
    const { eventId, orderId } = event.event;
    const before = seen.size;
    if (seen.add(eventId).size === before) plan.again.push(event);
    else if (blocked.heldOrders.has(orderId) || held.has(orderId) || blocked.takenIds.has(eventId))
      plan.blocked.push(event);
    else if (event.unfit !== undefined) {
      plan.unfit.push(event);
      held.add(orderId);
    } else plan.firsts.push(event);
  }
  return plan;
}

/** The outcome of every event. */
export type Settlement = {
  readonly stored: readonly EventRecord[];
  /** Events that this deployment cannot take. They hold their orders from now on. */
  readonly parked: readonly EventRecord[];
  /** Events of held orders whose ids are free. They wait behind the parked event. */
  readonly waiting: readonly EventRecord[];
  readonly duplicates: readonly Repeat[];
  readonly conflicts: readonly Repeat[];
  /** Records that were read again after a rewind and meet their own row. Nothing is written. */
  readonly replays: readonly EventRecord[];
};

/**
 * Decides the outcome of every event. Pure.
 *
 * @param inserted which of plan.firsts the insert stored, and which had an id that was taken.
 * @param claims on the ids of all events that were not stored, read by a later statement than the
 * insert.
 * @returns null if an id was neither inserted nor is taken. That is possible only if its claim was
 * removed between the two statements. The caller must roll back and retry.
 */
export function settle(
  plan: Plan,
  { stored, known }: Pick<Inserted, 'stored' | 'known'>,
  claims: ReadonlyMap<string, Claim>,
  logId: number,
): Settlement | null {
  const isFree = ({ event }: EventRecord) => !claims.has(event.eventId);
  const waiting = plan.blocked.filter(isFree);
  const parked = plan.unfit.filter(isFree);
  const taken = [...plan.blocked, ...plan.unfit].filter((event) => !isFree(event));
  const rest = [...known, ...taken, ...plan.again];
  // Claims of this batch itself, which later events of the batch may meet.
  const fresh = new Map<string, Claim>();
  const repeated = new Set(rest.map((event) => event.event.eventId));
  for (const event of [...stored, ...waiting, ...parked]) {
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
  return { stored, parked, waiting, ...lists };
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

/** Where a record lies in the log. */
export function placeOf({ record }: EventRecord, logId: number): LogPlace {
  return { logId, partition: record.partition, offset: record.offset };
}
