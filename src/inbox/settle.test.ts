import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { recordOf, wireEvent } from '../../test/support/events.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { decodeRecords, type EventRecord } from '../log/decoded-record.ts';
import type { Claim } from '../store/processed-events.ts';
import { planRecords, settle } from './settle.ts';

const LOG_ID = 1;
const IDS: string[] = Array.from({ length: 4 }, () => crypto.randomUUID());
const ORDERS: string[] = Array.from({ length: 2 }, () => crypto.randomUUID());

/** Event n of order m with payload p; its offset is its index in the list. */
const spec = fc.record({
  id: fc.nat({ max: IDS.length - 1 }),
  order: fc.nat({ max: ORDERS.length - 1 }),
  payload: fc.nat({ max: 1 }),
});

function eventsOf(specs: { id: number; order: number; payload: number }[]): EventRecord[] {
  const records = specs.map(({ id, order, payload }, offset) =>
    recordOf(
      100 + offset,
      wireEvent({
        event_id: IDS[id] as string,
        order_id: ORDERS[order] as string,
        total_amount: `${payload + 1}`,
      }),
    ),
  );
  return [...decodeRecords(records, UNDECLARED).events];
}

const noneNew = (events: readonly EventRecord[]) => ({ stored: [], known: events });

describe('planRecords and settle', () => {
  it('give every record exactly one outcome, whatever is stored, parked or held already [G3] [G4]', () => {
    const known = fc.record({
      specs: fc.array(spec, { maxLength: 12 }),
      stored: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      parked: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      held: fc.array(fc.boolean(), { minLength: 2, maxLength: 2 }),
    });
    fc.assert(
      fc.property(known, ({ specs, stored, parked, held }) => {
        const events = eventsOf(specs);
        const claimOf = (id: string): Claim => ({
          eventId: id,
          digest: events[0]?.digest ?? '',
          requestId: null,
          logId: 9,
          partition: 9,
          offset: 9,
        });
        const takenIds = new Set(IDS.filter((_, i) => parked[i]));
        const heldOrders = new Set(ORDERS.filter((_, i) => held[i]));
        const plan = planRecords(events, { takenIds, heldOrders });
        const storedIds = new Set(IDS.filter((_, i) => stored[i]));
        const isNew = ({ event }: EventRecord) => !storedIds.has(event.eventId);
        const inserted = {
          stored: plan.firsts.filter(isNew),
          known: plan.firsts.filter((event) => !isNew(event)),
        };
        const claims = new Map([...takenIds, ...storedIds].map((id) => [id, claimOf(id)] as const));
        const settlement = settle(plan, inserted, claims, LOG_ID);
        assert.ok(settlement);
        const offsets = [
          ...settlement.stored,
          ...settlement.waiting,
          ...settlement.replays,
          ...settlement.duplicates.map(({ event }) => event),
          ...settlement.conflicts.map(({ event }) => event),
        ].map(({ record }) => record.offset);
        assert.deepEqual(
          offsets.sort((a, b) => a - b),
          events.map(({ record }) => record.offset),
        );
        for (const { event } of settlement.stored) {
          assert.ok(!heldOrders.has(event.orderId) && !takenIds.has(event.eventId));
        }
      }),
    );
  });

  it('calls a record that meets its own row a replay [G2]', () => {
    const events = eventsOf([{ id: 0, order: 0, payload: 0 }]);
    const plan = planRecords(events, { takenIds: new Set(), heldOrders: new Set() });
    const place = { logId: LOG_ID, partition: 0, offset: 100 };
    const own = { eventId: IDS[0] as string, digest: 'x', requestId: null, ...place };
    const settlement = settle(plan, noneNew(events), new Map([[own.eventId, own]]), LOG_ID);
    assert.deepEqual(settlement?.replays, events);
  });

  it('finds nothing to say of an id that is neither new nor taken', () => {
    const events = eventsOf([{ id: 0, order: 0, payload: 0 }]);
    const plan = planRecords(events, { takenIds: new Set(), heldOrders: new Set() });
    assert.equal(settle(plan, noneNew(events), new Map(), LOG_ID), null);
  });
});
