/** The consumer's decisions, with a fake log and a fake PostgreSQL: no I/O. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import { wireEvent } from '../../test/support/events.ts';
import { FakeDatabase } from '../../test/support/fake-database.ts';
import { sqlError } from '../../test/support/fake-pool.ts';
import { FakeReader } from '../../test/support/fake-reader.ts';
import { until } from '../../test/support/until.ts';
import { OrderonceError } from '../errors.ts';
import { NO_HANDLERS } from '../handlers/run-handlers.ts';
import { ParkGuard } from '../inbox/park-guard.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { Consumer } from './consumer.ts';
import { Turns } from './turns.ts';

function setUp(t: TestContext, partitions = 1) {
  const db = new FakeDatabase();
  const reader = new FakeReader(partitions);
  const lines: Record<string, unknown>[] = [];
  const consumer = new Consumer({
    reader,
    pool: db.asPool(),
    limits: { lockMs: 1000, statementMs: 1000, idleMs: 1000 },
    owner: 'test',
    handlers: NO_HANDLERS,
    parkGuard: new ParkGuard(100),
    ...USUAL_MODEL,
    turns: new Turns({ connections: 2, batchMax: 10 }),
    batchMax: 10,
    logger: pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) }),
  });
  t.after(() => consumer.stop(400));
  return { db, reader, consumer, lines };
}

describe('An answer of the log to the assignment before', () => {
  it('says nothing about partitions that have moved away [G10]', async (t) => {
    const { reader, consumer } = setUp(t, 2);
    const answers: unknown[] = [];
    const fetch = reader.fetch.bind(reader);
    reader.fetch = async (...args) => {
      const answer = await fetch(...args);
      const isFirst = answers.length === 0;
      answers.push(answer);
      if (!isFirst) return answer;
      return { ...answer, served: [0, 1], heldBack: new Map([[1, { from: 0, to: 9 }]]) };
    };
    const clock = t.mock.method(performance, 'now');
    await consumer.start();
    reader.listener?.onAssign([0]);
    await until('it was answered', () => answers.length > 1);
    // Long enough for a transaction of another client to be reported as a trouble.
    clock.mock.mockImplementation(() => 1e9);
    assert.deepEqual(consumer.troubles, []);
  });
});

/** A partition that has stopped because its topic was re-created. The new topic has two events. */
async function setUpStopped(t: TestContext) {
  const parts = setUp(t);
  const { db, reader, consumer } = parts;
  db.positions.set(0, 0);
  reader.topicId = 'topic-2';
  reader.put(0, wireEvent(), wireEvent());
  await consumer.start();
  await until('it stops', () => consumer.partitions[0]?.state === 'stopped');
  return parts;
}

describe('Consumer', () => {
  it('begins a first deployment at the start of the log, and hints at offsets only after COMMIT [G3] [G7]', async (t) => {
    const { db, reader, consumer } = setUp(t, 2);
    reader.put(0, wireEvent(), wireEvent());
    reader.put(1, wireEvent());
    const commitHint = reader.commitHint.bind(reader);
    reader.commitHint = (positions) => {
      assert.ok(db.statements.includes('COMMIT'), 'a hint before any COMMIT');
      return commitHint(positions);
    };
    await consumer.start();
    await until('all is stored', () => db.stored.length === 3);
    await until('hints are sent', () => reader.hints.length === 2);
    assert.deepEqual(
      new Map(reader.hints),
      new Map([
        [0, 2],
        [1, 1],
      ]),
    );
    assert.deepEqual(consumer.troubles, []);
  });

  it('checks its position again when the log has parted from what it read [G3]', async (t) => {
    const { db, reader, consumer } = setUp(t);
    reader.put(0, wireEvent(), wireEvent());
    await consumer.start();
    await until('all is stored', () => db.stored.length === 2);
    // The log was truncated, and a fetch from the position finds nothing wrong.
    reader.bounds = async () => new Map([[0, { start: 0, end: 1 }]]);
    const fetch = reader.fetch.bind(reader);
    let isFirst = true;
    reader.fetch = async (...args) => {
      const diverged = isFirst ? [0] : [];
      isFirst = false;
      return { ...(await fetch(...args)), diverged };
    };
    await until('it stops', () => consumer.partitions[0]?.state === 'stopped');
    assert.match(consumer.troubles.join(), /POSITION_PAST_LOG_END/);
  });

  it('works on one partition, and fetches ahead, while the transaction of another hangs [G10]', async (t) => {
    const { db, reader, consumer } = setUp(t, 2);
    const held = Promise.withResolvers<void>();
    const query = db.query.bind(db);
    // Moving the position of partition 0 waits as for a lock. The first time it times out.
    let isFirst = true;
    db.query = async (text, values) => {
      const partitions = text.includes('SET next_offset') ? values?.[3] : [];
      if (!(partitions as number[]).includes(0)) return await query(text, values);
      if (isFirst) {
        isFirst = false;
        throw sqlError('55P03', 'canceling statement due to lock timeout');
      }
      await held.promise;
      return await query(text, values);
    };
    for (let i = 0; i < 100; i++) reader.put(0, wireEvent());
    for (let i = 0; i < 25; i++) reader.put(1, wireEvent());
    await consumer.start();
    await until('partition 1 is done', () => db.stored.length === 25);
    await until('more of partition 0 was fetched', () => (reader.fetchedUpTo.get(0) ?? 0) > 10);
    held.resolve();
    await until('partition 0 is done too', () => db.stored.length === 125);
  });

  it('logs the warning "Duplicate skipped" with the ids [G2]', async (t) => {
    const { db, reader, consumer, lines } = setUp(t);
    const event = wireEvent();
    reader.put(0, event, event);
    await consumer.start();
    const line = await until('the warning', () => lines.find((l) => l.msg === 'Duplicate skipped'));
    assert.deepEqual([line.event_id, line.order_id], [event.event_id, event.order_id]);
    assert.deepEqual(db.stored, [event.event_id]);
  });

  it('tries the same batch again while PostgreSQL fails, says why, and continues [G6]', async (t) => {
    const { db, reader, consumer, lines } = setUp(t);
    const { script } = db;
    db.script = [['INSERT INTO processed_events', () => sqlError('53100', 'disk full')], ...script];
    reader.put(0, wireEvent());
    await consumer.start();
    await until('it retries', () =>
      /DATABASE_UNAVAILABLE: disk full/.test(consumer.troubles.join()),
    );
    assert.equal(consumer.partitions[0]?.state, 'retrying');
    db.script = script;
    await until('it continues', () => consumer.partitions[0]?.next_offset === 1);
    assert.deepEqual(consumer.troubles, []);
    assert.ok(lines.some(({ msg }) => msg === 'Partition runs again'));
  });

  it('waits for a log that does not answer, and says so [G6]', async (t) => {
    const { db, reader, consumer } = setUp(t);
    reader.failure = new OrderonceError('LOG_UNAVAILABLE', 'Kafka does not answer: refused');
    await consumer.start();
    await until(
      'it says so',
      () => consumer.troubles.join() === 'LOG_UNAVAILABLE: Kafka does not answer: refused',
    );
    reader.failure = null;
    reader.put(0, wireEvent());
    await until('it continues', () => db.stored.length === 1);
  });

  it('stops loudly where the topic is another one, and touches nothing [G3]', async (t) => {
    const { db, reader, consumer, lines } = setUp(t);
    db.positions.set(0, 0);
    reader.topicId = 'topic-2';
    reader.put(0, wireEvent());
    await consumer.start();
    await until('it stops', () => consumer.partitions[0]?.state === 'stopped');
    assert.match(consumer.troubles.join(), /LOG_RECREATED/);
    assert.deepEqual(db.stored, []);
    assert.ok(lines.some(({ msg, level }) => msg === 'Partition stopped' && level === 50));
  });

  it('continues once an operator has resolved what stopped it', async (t) => {
    const { db, consumer } = await setUpStopped(t);
    db.topicId = 'topic-2';
    db.positions.set(0, 1);
    await until('it continues', () => db.stored.length === 1);
    assert.deepEqual(consumer.troubles, []);
  });

  it('leaves alone what has been resolved for partitions that it has lost meanwhile', async (t) => {
    const { db, reader, consumer } = await setUpStopped(t);
    // The consumer is reading the positions when the partitions are reassigned.
    const [isLooking, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const query = db.query.bind(db);
    db.query = async (text, values) => {
      if (text.includes('FROM orderonce.consumer_positions')) {
        isLooking.resolve();
        await goOn.promise;
      }
      return await query(text, values);
    };
    await isLooking.promise;
    const revoked = reader.listener?.onRevoke();
    reader.listener?.onAssign([]);
    db.topicId = 'topic-2';
    db.positions.set(0, 1);
    goOn.resolve();
    await revoked;
    await new Promise(setImmediate);
    assert.deepEqual([consumer.partitions, db.stored], [[], []]);
  });

  it('does not stop because another process commits while it looks at positions [G7]', async (t) => {
    const { db, reader, consumer } = setUp(t);
    reader.put(0, wireEvent());
    db.positions.set(0, 0);
    const query = db.query.bind(db);
    let committed = 0;
    db.query = async (text, values) => {
      // The previous owner is still committing: the log grows, and so does the position.
      if (text.includes('FROM orderonce.consumer_positions') && committed++ < 3) {
        reader.put(0, wireEvent());
        db.positions.set(0, committed + 1);
      }
      return await query(text, values);
    };
    await consumer.start();
    reader.put(0, wireEvent());
    await until('it continues behind the other', () => db.stored.length === 1);
    assert.deepEqual(consumer.troubles, []);
  });

  it('lets go of its partitions when they move, and reads positions anew when they come back [G7]', async (t) => {
    const { db, reader, consumer } = setUp(t);
    reader.put(0, wireEvent());
    await consumer.start();
    await until('the first is stored', () => db.stored.length === 1);
    await reader.listener?.onRevoke();
    reader.listener?.onAssign([]);
    reader.put(0, wireEvent(), wireEvent());
    await until('nothing is assigned', () => consumer.partitions.length === 0);
    // Another consumer has processed one of them in the meantime.
    db.positions.set(0, 2);
    reader.listener?.onAssign([0]);
    await until('the last is stored', () => db.stored.length === 2);
    assert.equal(consumer.partitions[0]?.next_offset, 3);
  });

  it('lets go only once the batch under way has ended [G7]', async (t) => {
    const { db, reader, consumer } = setUp(t);
    const held = Promise.withResolvers<void>();
    const query = db.query.bind(db);
    db.query = async (text, values) => {
      if (text === 'COMMIT' && db.stored.length > 0) await held.promise;
      return await query(text, values);
    };
    reader.put(0, wireEvent());
    await consumer.start();
    await until('it is about to commit', () => db.stored.length === 1);
    let hasLetGo = false;
    const revoked = reader.listener?.onRevoke().then(() => {
      hasLetGo = true;
    });
    await new Promise(setImmediate);
    assert.equal(hasLetGo, false);
    held.resolve();
    await revoked;
  });

  it('stops within its deadline though a transaction hangs [G10]', async (t) => {
    const { db, reader, consumer } = setUp(t);
    const hanging = Promise.withResolvers<never>();
    db.query = async () => await hanging.promise;
    reader.put(0, wireEvent());
    await consumer.start();
    const started = performance.now();
    await consumer.stop(400);
    assert.ok(performance.now() - started < 2000);
    assert.equal(reader.closed, true);
  });
});
