import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { FakeLog } from '../../test/support/fake-log.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { acceptEvent } from './accept-event.ts';
import { AppendQueue } from './append-queue.ts';

const ORIGIN = { requestId: 'r', trace: [] };

function setUp() {
  const log = new FakeLog();
  log.isAutomatic = true;
  const limits = { deadlineMs: 1000, itemsMax: 1, batchItemsMax: 10, batchBytesMax: 1000 };
  return { log, queue: new AppendQueue(log, limits) };
}

describe('acceptEvent', () => {
  it('appends the canonical form under the order id, and says where it lies [G5]', async () => {
    const { log, queue } = setUp();
    log.isAutomatic = false;
    const event = wireEvent({ total_amount: 5, timestamp: '2026-01-02T03:04:05+01:00' });
    const body = JSON.stringify({ ...event, order_id: event.order_id.toUpperCase() });
    const accepting = acceptEvent({ queue, rules: UNDECLARED }, ORIGIN, Buffer.from(body));
    await new Promise(setImmediate);
    const [append] = log.pending;
    assert.deepEqual(append?.keys, [event.order_id]);
    assert.deepEqual(JSON.parse(append?.values[0] ?? ''), {
      ...event,
      total_amount: '5.0000',
      timestamp: '2026-01-02T02:04:05.000000Z',
    });
    append?.acknowledge();
    const position = { partition: 3, offset: 0 };
    assert.deepEqual(await accepting, { status: 'accepted', eventId: event.event_id, position });
  });

  it('appends nothing of an event that is not valid', async () => {
    const { log, queue } = setUp();
    const verdict = await acceptEvent(
      { queue, rules: UNDECLARED },
      ORIGIN,
      Buffer.from('{"event_id":1}'),
    );
    assert.equal(verdict.status, 'rejected');
    assert.deepEqual(log.appended, []);
  });

  it('refuses an event that only its canonical form makes too long for the consumer [G1]', async () => {
    const { log, queue } = setUp();
    const body = Buffer.from(JSON.stringify(wireEvent({ total_amount: 1 })));
    const rules = { ...UNDECLARED, bytesMax: body.length };
    const verdict = await acceptEvent({ queue, rules }, ORIGIN, body);
    assert.ok(verdict.status === 'rejected' && verdict.isTooLarge);
    assert.match(verdict.errors[0]?.msg ?? '', /canonical form .* bytes/);
    assert.deepEqual(log.appended, []);
    const wider = await acceptEvent(
      { queue, rules: { ...UNDECLARED, bytesMax: body.length + 50 } },
      ORIGIN,
      body,
    );
    assert.equal(wider.status, 'accepted');
  });

  it('tells "unknown" from "refused": only the first may be in the log [G9]', async () => {
    const { log, queue } = setUp();
    log.isAutomatic = false;
    const first = acceptEvent(
      { queue, rules: UNDECLARED },
      ORIGIN,
      Buffer.from(JSON.stringify(wireEvent())),
    );
    await new Promise(setImmediate);
    const second = await acceptEvent(
      { queue, rules: UNDECLARED },
      ORIGIN,
      Buffer.from(JSON.stringify(wireEvent())),
    );
    assert.equal(second.status, 'refused');
    log.pending[0]?.fail(new Error('connection reset'));
    assert.deepEqual(await first, {
      status: 'unknown',
      code: 'LOG_NOT_ACKNOWLEDGED',
      reason: 'connection reset',
    });
    assert.equal(log.appended.length, 1);
  });
});
