import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { repeatOf } from '../inbox/provenance.ts';
import { decodeRecords, type EventRecord } from '../log/decoded-record.ts';
import { OutcomeLog } from './outcome-log.ts';

const NOTHING = { stored: 0, storedRecords: [], duplicates: [], conflicts: [], deadLetters: [] };

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) });
  const clock = { ms: 0 };
  return { lines, clock, log: new OutcomeLog(logger, () => clock.ms) };
}

function repeats(count: number) {
  const slice = sliceOfEvents(
    0,
    Array.from({ length: count }, () => wireEvent()),
    3,
  );
  const { events } = decodeRecords(slice.records, UNDECLARED);
  const claim = { eventId: 'e', digest: 'd', requestId: null, logId: 1, partition: 4, offset: 2 };
  return events.map((event) => repeatOf(event, claim));
}

describe('OutcomeLog', () => {
  it('warns "Duplicate skipped" with the ids, and where the first one lies', () => {
    const { lines, log } = setUp();
    const [repeat] = repeats(1);
    assert.ok(repeat);
    log.report({ ...NOTHING, duplicates: [repeat] });
    const [line] = lines;
    assert.deepEqual(
      [line?.msg, line?.level, line?.event_id, line?.partition, line?.offset, line?.first],
      ['Duplicate skipped', 40, repeat.event.event.eventId, 3, 0, { partition: 4, offset: 2 }],
    );
  });

  it('logs a conflict and a parked record as errors, never the payload', () => {
    const { lines, log } = setUp();
    const { event } = repeats(1)[0] as { event: EventRecord };
    const letter = { record: event.record, event, state: 'parked', reason: 'r' } as const;
    log.report({ ...NOTHING, conflicts: repeats(1), deadLetters: [letter] });
    assert.deepEqual(
      lines.map(({ level }) => level),
      [50, 50],
    );
    assert.match(String(lines[0]?.msg), /^Conflict recorded/);
    assert.doesNotMatch(JSON.stringify(lines), /user-1|10\.00/);
  });

  it('leaves lines out when thousands come at once, and says how many [G10]', () => {
    const { lines, clock, log } = setUp();
    log.report({ ...NOTHING, duplicates: repeats(1000) });
    assert.equal(lines.length, 100);
    clock.ms = 1000;
    log.report({ ...NOTHING, duplicates: repeats(1) });
    assert.deepEqual([lines[100]?.count, lines.length], [900, 102]);
    log.flush();
    assert.equal(lines.length, 102);
  });
});
