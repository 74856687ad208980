import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PartitionReport } from '../positions/report.ts';
import { counted } from '../store/capped.ts';
import { utcText } from '../store/utc.ts';
import type { OverviewFacts } from './need.ts';
import { needsOf, verdictOf } from './needs.ts';

const NOW = Date.parse('2026-01-02T03:00:00Z');
const at = (minutesAgo: number) => utcText(NOW - minutesAgo * 60_000);

function partition(parts: Partial<PartitionReport> = {}): PartitionReport {
  return {
    ...{ partition: 0, log_id: 1, position: 5, log_start: 0, log_end: 5, lag: 0, owner: 'a' },
    ...{ updated_at: at(0), state: 'fine', code: null, trouble: null, since: null },
    ...{ attempts: null, reported_at: null },
    ...parts,
  } as PartitionReport;
}

function facts(parts: Partial<OverviewFacts> = {}): OverviewFacts {
  return {
    ...{ nowMs: NOW, databaseTrouble: null, partitions: [partition()], letters: [] },
    ...{ heldOrders: counted(0), heldSince: null, conflictsLastHour: 0, outboxOldestSeconds: 0 },
    ...{ proof: null, doctor: null, processes: [], troubledJobs: [] },
    ...parts,
  };
}

const shown = (parts: Partial<OverviewFacts>) =>
  needsOf(facts(parts)).map(({ kind, severity, title }) => `${severity} ${kind}: ${title}`);

describe('needsOf', () => {
  it('needs nobody while all is well, however far behind a moving partition is', () => {
    assert.deepEqual(shown({}), []);
    assert.deepEqual(shown({ partitions: [partition({ lag: 1_000_000 })] }), []);
    assert.equal(verdictOf([]), 'fine');
  });

  it('makes one need of all partitions with one cause, since the first of them', () => {
    const trouble = { code: 'HANDLER_FAILS', trouble: 'HANDLER_FAILS: no table' } as const;
    const retrying = { ...trouble, state: 'retrying' } as const;
    const partitions = [
      partition({ partition: 0, ...retrying, since: at(4) }),
      partition({ partition: 1, ...retrying, since: at(7) }),
      partition({ partition: 2, ...retrying, code: 'OTHER', since: at(0.5) }),
      partition({ partition: 3, state: 'waiting' }),
      partition({ partition: 4, state: 'unreachable', code: 'LOG_UNAVAILABLE' }),
    ];
    const needs = needsOf(facts({ partitions }));
    assert.deepEqual(
      needs.map(({ severity, title, since }) => [severity, title, since]),
      [
        ['act', '2 of 5 partitions retrying: HANDLER_FAILS', at(7)],
        ['act', '1 of 5 partitions unreachable: LOG_UNAVAILABLE', null],
        ['look', '1 of 5 partitions retrying: OTHER', at(0.5)],
      ],
    );
    assert.equal(verdictOf(needs), 'act');
  });

  it('finds a partition that is paused without a reason', () => {
    const still = { lag: 3, updated_at: at(2) };
    assert.deepEqual(shown({ partitions: [partition(still)] }), [
      'act partitions_still: 1 partition with records to process does not move',
    ]);
    // Without records to process, nothing should move.
    assert.deepEqual(shown({ partitions: [partition({ ...still, lag: 0 })] }), []);
  });

  it('names the reason of parked letters, with a link that has the filter', () => {
    const letters = [
      { state: 'parked', reason: 'refused_by_handler', ...counted(100_001), oldest: at(240) },
      { state: 'waiting', reason: 'order_held', ...counted(44), oldest: at(240) },
      { state: 'discarded', reason: 'invalid_event', ...counted(9), oldest: at(240) },
    ] as const;
    const [need, ...others] = needsOf(facts({ letters, heldOrders: counted(23) }));
    assert.deepEqual(others, []);
    assert.equal(need?.title, '100,000+ dead letters parked: refused_by_handler');
    assert.equal(need?.detail, '44 wait behind parked ones, in 23 orders');
    assert.equal(need?.link, '/console/dead-letters?state=parked&reason=refused_by_handler');
  });

  it('says so if orders are held behind nothing', () => {
    assert.deepEqual(shown({ heldOrders: counted(1) }), [
      'look orders_held: 1 order held, though nothing is parked',
    ]);
  });

  it('puts what must be done now first, then what has lasted longest', () => {
    const process = { owner: 'b', isMissing: true, seenAt: at(3), handlersDigest: 'x' };
    const order = shown({
      conflictsLastHour: 2,
      processes: [process],
      troubledJobs: [{ redriveId: 7, trouble: 'DATABASE_UNAVAILABLE', updatedAt: at(9) }],
      outboxOldestSeconds: 600,
      proof: {
        findings: 1,
        kinds: ['hole'],
        since: at(30),
        headAgeSeconds: 901,
        deployedSeconds: 9e9,
        trouble: null,
      },
      doctor: { failures: 2, checkedAt: at(1) },
      databaseTrouble: 'connect ECONNREFUSED',
    }).map((line) => line.split(':')[0]);
    assert.deepEqual(order, [
      'act database_unavailable',
      'act proof_findings',
      'act outbox_old',
      'act doctor_failures',
      'look proof_stale',
      'look redrive_troubled',
      'look processes_missing',
      'look conflicts',
    ]);
  });

  it('tells different handlers of running processes apart, not those of one that is gone', () => {
    const one = { owner: 'a', isMissing: false, seenAt: at(0), handlersDigest: 'x' };
    const gone = { ...one, isMissing: true, handlersDigest: 'y' };
    assert.equal(shown({ processes: [one, gone] }).length, 1);
    assert.match(
      shown({ processes: [one, { ...gone, isMissing: false }] })[0] ?? '',
      /^look handlers_differ: 2 /,
    );
  });

  it('asks to look where nothing was ever proven, but not in the first two minutes', () => {
    const proof = {
      findings: 0,
      kinds: [],
      since: null,
      headAgeSeconds: null,
      trouble: 'no index',
    };
    assert.deepEqual(shown({ proof: { ...proof, deployedSeconds: 120 } }), []);
    assert.deepEqual(shown({ proof: { ...proof, deployedSeconds: 121 } }), [
      'look proof_stale: Nothing has been proven yet',
    ]);
  });

  it('is silent about an outbox, a doctor and a proof without findings', () => {
    const proof = {
      findings: 0,
      kinds: [],
      since: null,
      headAgeSeconds: 900,
      deployedSeconds: 9e9,
      trouble: null,
    };
    const doctor = { failures: 0, checkedAt: at(1) };
    assert.deepEqual(shown({ proof, doctor, outboxOldestSeconds: 119 }), []);
  });
});
