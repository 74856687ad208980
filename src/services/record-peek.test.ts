import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
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
    const peek = recordPeek(async () => {
      opened++;
      return reader;
    }, UNDECLARED);
    const of = { topic: 'order_events', topicId: 'topic-1', partition: 0, logId: 1, nextOffset: 3 };
    const found = await Promise.all([0, 1, 2].map((offset) => peek.eventIdAt(of, offset)));
    assert.deepEqual(found, [one.event_id, null, two.event_id]);
    assert.deepEqual([opened, reader.closed], [1, false]);
    peek.stop();
    await setImmediate();
    assert.equal(reader.closed, true);
  });

  it('opens nothing while nobody asks, and recovers from a failure', async () => {
    recordPeek(async () => assert.fail('It opened a reader'), UNDECLARED).stop();
    const reader = new FakeReader(1);
    const event = wireEvent();
    reader.put(0, event);
    let opened = 0;
    const peek = recordPeek(async () => {
      if (opened++ === 0) throw new Error('not now');
      return reader;
    }, UNDECLARED);
    const of = { topic: 'order_events', topicId: 'topic-1', partition: 0, logId: 1, nextOffset: 1 };
    await assert.rejects(peek.eventIdAt(of, 0), /not now/);
    reader.failure = new Error('away');
    await assert.rejects(peek.eventIdAt(of, 0), /away/);
    reader.failure = null;
    assert.equal(await peek.eventIdAt(of, 0), event.event_id);
  });

  it('reads each topic with a reader of its own, and decodes what others wrote', async () => {
    const event = wireEvent();
    const decode = ({ value }: { readonly value: Buffer | null }) => ({
      json: Buffer.from(JSON.parse(String(value)).after),
    });
    const topics = new Set(['others']);
    const readers = { order_events: new FakeReader(1), others: new FakeReader(1) };
    readers.others.put(0, JSON.stringify({ after: JSON.stringify(event) }));
    const rules = { ...UNDECLARED, decode: { topics, decode } };
    const peek = recordPeek(async (topic) => readers[topic as keyof typeof readers], rules);
    const of = { topic: 'others', topicId: 'topic-1', partition: 0, logId: 2, nextOffset: 1 };
    assert.equal(await peek.eventIdAt(of, 0), event.event_id);
    peek.stop();
    await setImmediate();
    assert.deepEqual([readers.others.closed, readers.order_events.closed], [true, false]);
  });
});
