import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { recordOf, wireEvent } from '../../test/support/events.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { decodeRecords, type EventRecord } from '../log/decoded-record.ts';
import { logRecord } from '../log/log-record.ts';
import { RequestIds, requestIdHeader } from '../log/request-id.ts';
import { repeatOf } from './provenance.ts';

const NOW = Date.UTC(2026, 0, 2);
const clock = { ms: NOW };
const ours = new RequestIds(() => clock.ms);
const theirs = new RequestIds(() => clock.ms);
const first = ours.next();
clock.ms += 1500;

function eventFrom(requestId: string | null): EventRecord {
  const headers = requestId === null ? [] : [requestIdHeader(requestId)];
  const record = logRecord({ ...recordOf(1, wireEvent()), headers, appendedMs: NOW + 2500 });
  return decodeRecords([record], UNDECLARED).events[0] as EventRecord;
}

describe('repeatOf', () => {
  const cases = [
    ['the very same request', first, first, 'producer_retry', 0],
    ['another request to the same process', ours.next(), first, 'resent_same_process', 1500],
    ['a request to another process', theirs.next(), first, 'resent_other_process', 1500],
    ['a record without a request', null, first, 'foreign_client', 2500],
    ['a request after a foreign record', ours.next(), null, 'first_was_foreign', null],
    ['two foreign records', null, null, 'foreign_client', null],
  ] as const;
  for (const [what, again, before, source, afterMs] of cases) {
    it(`calls ${what} ${source}`, () => {
      const place = { eventId: 'e', digest: 'd', logId: 1, partition: 0, offset: 0 };
      const repeat = repeatOf(eventFrom(again), { ...place, requestId: before });
      assert.deepEqual([repeat.source, repeat.afterMs], [source, afterMs]);
    });
  }
});
