/** The path of a message from `emit` to the log, on a real PostgreSQL with the embedded log. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, processAll, setUpHeart } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { forEachEvent, type Handler, TerminalError } from '../handlers/handler.ts';
import { orderProcessed } from '../handlers/order-processed.ts';
import { processBatch } from '../inbox/process-batch.ts';
import type { LogAppender, LogRecord } from '../log/event-log.ts';
import { logRecord } from '../log/log-record.ts';
import { MESSAGE_ID_HEADER } from '../log/message.ts';
import { traceHeaders } from '../log/trace-context.ts';
import { createEmbeddedLog, EmbeddedAppender } from '../log-embedded/embedded-log.ts';
import { createLogger } from '../runtime/logger.ts';
import { deletePublished, readOutboxLag } from '../store/outbox.ts';
import type { Pool } from '../store/pool.ts';
import { Relay } from './relay.ts';

const TOPIC = 'charges';

/** Emits two messages for each event, with the order id as the key. */
const emitTwo = forEachEvent('charge', async (event, tx) => {
  for (const step of ['reserved', 'charged']) {
    tx.emit(event, { topic: TOPIC, key: event.orderId, value: `${step} ${event.eventId}` });
  }
});

async function setUp(t: TestContext, handlers: readonly Handler[] = [emitTwo]) {
  const { pool, context } = await setUpHeart(t);
  const set = { handlers, timeoutMs: 1000, attemptsMax: 2 };
  return { pool, context: { ...context, handlers: set } };
}

type Published = { readonly key: string; readonly value: string; readonly id: string };

/** The records in the embedded log of the topic, partition by partition, in log order. */
async function published(pool: Pool): Promise<Published[]> {
  const { rows } = await pool.query(
    `SELECT key, value, headers FROM event_log JOIN logs USING (log_id)
      WHERE topic = $1 ORDER BY log_partition, log_offset`,
    [TOPIC],
  );
  const text = (base64: string) => Buffer.from(base64, 'base64').toString();
  return rows.map(({ key, value, headers }) => {
    const ids = (headers as [string, string][]).filter(([k]) => text(k) === MESSAGE_ID_HEADER);
    return { key: key.toString(), value: value.toString(), id: text(ids[0]?.[1] ?? '') };
  });
}

function startRelay(
  t: TestContext,
  pool: Pool,
  parts: Partial<ConstructorParameters<typeof Relay>[0]> = {},
) {
  const relay = new Relay({
    pool,
    openLog: async (topic) => {
      await createEmbeddedLog(pool, topic, 3);
      return new EmbeddedAppender(pool, topic);
    },
    owner: randomUUID(),
    retentionHours: 1,
    logger: createLogger('silent'),
    ...parts,
  });
  relay.start();
  t.after(() => relay.stop());
  return relay;
}

const untilEmpty = (pool: Pool) =>
  until('all is published', async () => (await readOutboxLag(pool)).pending === 0);

describe('tx.emit', () => {
  it('leaves messages if and only if the event takes effect, in order, under derived ids [G2] [G5]', async (t) => {
    const failing: Handler = {
      name: 'check',
      handle: async (events) => {
        if (events.some(({ totalAmount }) => totalAmount === '666.0000'))
          throw new TerminalError('no');
      },
    };
    const { pool, context } = await setUp(t, [emitTwo, failing]);
    const order_id = randomUUID();
    const [a, b] = [wireEvent({ order_id }), wireEvent({ order_id })];
    await processAll(context, sliceOfEvents(0, [a, b, a, wireEvent({ total_amount: '666' }), b]));
    startRelay(t, pool);
    await untilEmpty(pool);
    const messages = await published(pool);
    assert.deepEqual(
      messages.map(({ key, value }) => [key, value]),
      [a, a, b, b].map(({ event_id }, i) => [
        order_id,
        `${i % 2 === 0 ? 'reserved' : 'charged'} ${event_id}`,
      ]),
    );
    assert.equal(new Set(messages.map(({ id }) => id)).size, 4);
  });

  it('gives the same ids when the same events are handled again, as after a restore [G2]', async (t) => {
    const { pool, context } = await setUp(t);
    const event = wireEvent();
    const ids: string[][] = [];
    for (let round = 0; round < 2; round++) {
      await processBatch(context, sliceOfEvents(0, [event]));
      const { rows } = await pool.query('SELECT message_id FROM outbox ORDER BY outbox_id');
      ids.push(rows.map(({ message_id }) => message_id));
      await pool.query(`TRUNCATE outbox, processed_events, orders;
        UPDATE consumer_positions SET next_offset = 0, last_offset = NULL, last_digest = NULL`);
    }
    assert.deepEqual(ids[0], ids[1]);
  });

  it('takes back what a savepoint undid, and refuses what can never be published [G2]', async (t) => {
    const handler = forEachEvent('charge', async (event, tx) => {
      const emit = (value: string) => tx.emit(event, { topic: TOPIC, key: event.orderId, value });
      emit('before');
      const undone = tx.savepoint(async () => {
        emit('undone');
        await tx.query('SELECT 1 / 0');
      });
      await undone.catch(() => {});
      if (event.userId === 'huge') emit('x'.repeat(2 << 20));
      emit('after');
    });
    const { pool, context } = await setUp(t, [handler]);
    await processAll(context, sliceOfEvents(0, [wireEvent(), wireEvent({ user_id: 'huge' })]));
    const { rows } = await pool.query('SELECT n, value FROM outbox ORDER BY outbox_id');
    assert.deepEqual(
      rows.map(({ n, value }) => `${n} ${value}`),
      ['0 before', '1 after'],
    );
    const letters = await pool.query('SELECT reason FROM dead_letters');
    assert.deepEqual(letters.rows, [{ reason: 'refused_by_handler' }]);
  });

  it('carries on the trace of its event, whoever wrote that', async (t) => {
    const { pool, context } = await setUp(t, [orderProcessed(TOPIC)]);
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const slice = sliceOfEvents(0, [wireEvent(), wireEvent()]);
    const [first, second] = slice.records as [LogRecord, LogRecord];
    const headers = traceHeaders({ traceparent, tracestate: null });
    await processBatch(context, { ...slice, records: [logRecord({ ...first, headers }), second] });
    const { rows } = await pool.query('SELECT headers FROM outbox ORDER BY outbox_id');
    assert.deepEqual(
      rows.map((row) => row.headers),
      [{ traceparent }, {}],
    );
  });

  it('built in: one order_processed for each stored event', async (t) => {
    const { pool, context } = await setUp(t, [orderProcessed(TOPIC)]);
    const event = wireEvent({ total_amount: '99.95' });
    await processBatch(context, sliceOfEvents(0, [event, event]));
    startRelay(t, pool);
    await untilEmpty(pool);
    const [message, ...others] = await published(pool);
    assert.equal(others.length, 0);
    const { type, event_id, total_amount } = JSON.parse(message?.value ?? '');
    assert.deepEqual(
      [type, event_id, total_amount],
      ['order_processed', event.event_id, '99.9500'],
    );
  });
});

describe('Relay', () => {
  it('publishes what commits late, though a later id was published before [G3]', async (t) => {
    const { pool, context } = await setUp(t);
    const [late, early] = [wireEvent(), wireEvent()];
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    const { promise: hasEmitted, resolve: emitted } = Promise.withResolvers<void>();
    const slow: Handler = {
      name: 'slow',
      handle: async () => {
        emitted();
        await mayEnd;
      },
    };
    const handlers = { ...context.handlers, handlers: [emitTwo, slow], timeoutMs: 60_000 };
    const processing = processBatch({ ...context, handlers }, sliceOfEvents(0, [late]));
    await hasEmitted;
    await processBatch(context, sliceOfEvents(0, [early], 1));
    startRelay(t, pool);
    await until('the early ones are out', async () => (await published(pool)).length === 2);
    end();
    await processing;
    await untilEmpty(pool);
    assert.equal((await published(pool)).length, 4);
  });

  it('a topic that does not exist holds up only its own messages, and continues once it is there [G6]', async (t) => {
    const toTwo = forEachEvent('two', async (event, tx) => {
      tx.emit(event, { topic: 'missing', key: event.orderId, value: 'm' });
      tx.emit(event, { topic: TOPIC, key: event.orderId, value: 'ok' });
    });
    const { pool, context } = await setUp(t, [toTwo]);
    await processBatch(context, sliceOfEvents(0, [wireEvent(), wireEvent()]));
    let isThere = false;
    const relay = startRelay(t, pool, {
      openLog: async (topic) => {
        if (topic === 'missing' && !isThere) throw new Error('no such topic');
        await createEmbeddedLog(pool, topic, 1);
        return new EmbeddedAppender(pool, topic);
      },
    });
    await until('the others are out', async () => (await published(pool)).length === 2);
    await until('it says why', () => relay.troubles.length === 1);
    assert.match(relay.troubles[0] ?? '', /"missing": no such topic/);
    isThere = true;
    await untilEmpty(pool);
    await until('it has no troubles', () => relay.troubles.length === 0);
  });

  it('a topic that does not acknowledge holds up only its own messages, and is named [G6] [G10]', async (t) => {
    const toTwo = forEachEvent('two', async (event, tx) => {
      tx.emit(event, { topic: 'hanging', key: event.orderId, value: 'm' });
      tx.emit(event, { topic: TOPIC, key: event.orderId, value: 'ok' });
    });
    const { pool, context } = await setUp(t, [toTwo]);
    const answer = Promise.withResolvers<void>();
    let appends = 0;
    startRelay(t, pool, {
      openLog: async (topic) => {
        await createEmbeddedLog(pool, topic, 1);
        const log = new EmbeddedAppender(pool, topic);
        if (topic !== 'hanging') return log;
        return Object.assign(Object.create(log), {
          append: async (records: Parameters<LogAppender['append']>[0]) => {
            appends++;
            await answer.promise;
            return await log.append(records);
          },
        });
      },
    });
    await processBatch(context, sliceOfEvents(0, [wireEvent(), wireEvent()]));
    await until('the first of the other are out', async () => (await published(pool)).length === 2);
    await processBatch(context, sliceOfEvents(2, [wireEvent()]));
    await until('the next of the other is out', async () => (await published(pool)).length === 3);
    assert.equal(appends, 1, 'one at a time');
    answer.resolve();
    await untilEmpty(pool);
  });

  it('publishes again what it could not mark, under the same id', async (t) => {
    const { pool, context } = await setUp(t);
    await processBatch(context, sliceOfEvents(0, [wireEvent()]));
    let failures = 1;
    const log = (topic: string): LogAppender => {
      const inner = new EmbeddedAppender(pool, topic);
      return Object.assign(Object.create(inner), {
        append: async (records: Parameters<LogAppender['append']>[0]) => {
          const positions = await inner.append(records);
          if (failures-- > 0) throw new Error('the answer was lost');
          return positions;
        },
      });
    };
    startRelay(t, pool, {
      openLog: async (topic) => {
        await createEmbeddedLog(pool, topic, 1);
        return log(topic);
      },
    });
    await untilEmpty(pool);
    const messages = await published(pool);
    assert.deepEqual([messages.length, new Set(messages.map(({ id }) => id)).size], [4, 2]);
    assert.deepEqual(messages[0]?.id, messages[2]?.id);
  });

  it('keeps published messages for a while, then deletes them', async (t) => {
    const { pool, context } = await setUp(t);
    await processBatch(context, sliceOfEvents(0, [wireEvent()]));
    await pool.query(`UPDATE outbox SET published_at = now() - interval '2 hours' WHERE n = 0`);
    assert.equal(await deletePublished(pool, 3, 10), 0);
    assert.equal(await deletePublished(pool, 1, 10), 1);
    assert.equal(await count(pool, 'outbox'), 1, 'what is not published stays');
  });

  it('publishes also while a table of the team keeps old messages from being deleted, and says so [G6] [G10]', async (t) => {
    const { pool, context } = await setUp(t);
    await processBatch(context, sliceOfEvents(0, [wireEvent()]));
    await pool.query(`UPDATE outbox SET published_at = now() - interval '2 hours'`);
    await pool.query('CREATE TABLE bills (message_id uuid REFERENCES outbox (message_id))');
    await pool.query('INSERT INTO bills SELECT message_id FROM outbox');
    await processBatch(context, sliceOfEvents(1, [wireEvent()]));
    const relay = startRelay(t, pool);
    await untilEmpty(pool);
    await until('it is named', async () => relay.troubles.length > 0);
    assert.match(relay.troubles.join(), /published messages cannot be deleted: .*bills/);
    await pool.query('DROP TABLE bills');
  });
});
