import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { FakeReader } from '../../test/support/fake-reader.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { recordPeek } from './record-peek.ts';

describe('recordPeek', () => {
  it('reads the id of the event at an offset, with a reader of its own that it closes', async () => {
    const reader = new FakeReader(1);
    const [one, two] = [wireEvent(), wireEvent()];
    reader.put(0, one, 'garbage', two);
    let opened = 0;
    const peek = recordPeek(() => {
      opened++;
      return reader;
    }, UNDECLARED);
    const of = { topicId: 'topic-1', partition: 0, logId: 1, nextOffset: 3 };
    const found = await Promise.all([0, 1, 2].map((offset) => peek.eventIdAt(of, offset)));
    assert.deepEqual(found, [one.event_id, null, two.event_id]);
    assert.deepEqual([opened, reader.closed], [1, false]);
    peek.stop();
    assert.equal(reader.closed, true);
  });

  it('opens nothing while nobody asks, and recovers from a failure', async () => {
    recordPeek(() => assert.fail(), UNDECLARED).stop();
    const reader = new FakeReader(1);
    const event = wireEvent();
    reader.put(0, event);
    const peek = recordPeek(() => reader, UNDECLARED);
    const of = { topicId: 'topic-1', partition: 0, logId: 1, nextOffset: 1 };
    reader.failure = new Error('away');
    await assert.rejects(peek.eventIdAt(of, 0), /away/);
    reader.failure = null;
    assert.equal(await peek.eventIdAt(of, 0), event.event_id);
  });
});
