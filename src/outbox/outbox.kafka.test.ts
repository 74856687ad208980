/** Two relays on a real broker, one of which freezes in the middle of an append. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { KAFKA, newTopic, type ReadRecord, readRecords } from '../../test/support/kafka.ts';
import { until } from '../../test/support/until.ts';
import { forEachEvent } from '../handlers/handler.ts';
import { processBatch } from '../inbox/process-batch.ts';
import type { LogAppender } from '../log/event-log.ts';
import { MESSAGE_ID_HEADER } from '../log/message.ts';
import { KafkaAppender } from '../log-kafka/appender.ts';
import { createLogger } from '../runtime/logger.ts';
import { readOutboxLag } from '../store/outbox.ts';
import { Relay } from './relay.ts';

const EVENTS = 400;
const KEYS = 10;

describe('Relays on Kafka', { skip: KAFKA === undefined }, () => {
  it('publish all, the first of each id in order of its key, though one freezes and thaws [G3] [G5]', async (t) => {
    const topic = await newTopic(3);
    const { pool, context } = await setUpHeart(t, 1);
    const emit = forEachEvent('emit', async (event, tx) => {
      tx.emit(event, {
        topic,
        key: `key-${Number(event.totalAmount) % KEYS}`,
        value: event.totalAmount,
      });
    });
    const handlers = { handlers: [emit], timeoutMs: 5000, attemptsMax: 2 };
    const events = Array.from({ length: EVENTS }, (_, i) => wireEvent({ total_amount: i + 1 }));

    const frozen = Promise.withResolvers<void>();
    const thaw = Promise.withResolvers<void>();
    const again = Promise.withResolvers<void>();
    let appends = 0;
    const start = (freezes: boolean) => {
      const relay = new Relay({
        pool,
        owner: randomUUID(),
        retentionHours: 1,
        logger: createLogger('silent'),
        leaseMs: 1000,
        openLog: async (name) => {
          const options = { bootstrapServers: KAFKA as string, topic: name, clientId: 'relay' };
          const log = new KafkaAppender(options);
          const append: LogAppender['append'] = async (records) => {
            if (!freezes || ++appends !== 2) return await log.append(records);
            frozen.resolve();
            await thaw.promise;
            const positions = await log.append(records);
            again.resolve();
            return positions;
          };
          return Object.assign(Object.create(log), {
            append,
            refusalOf: log.refusalOf.bind(log),
            close: (ms: number) => log.close(ms),
          });
        },
      });
      relay.start();
      t.after(() => relay.stop());
      return relay;
    };
    start(true);
    for (let i = 0; i < EVENTS; i += 20) {
      const slice = sliceOfEvents(i, events.slice(i, i + 20));
      await processBatch({ ...context, handlers }, slice);
      if (i === 0) await until('the first publishes', () => appends > 0);
      // The second relay starts when the first one holds all shards and is frozen.
      if (i === EVENTS / 2) {
        await frozen.promise;
        start(false);
      }
    }
    await until('the second has published all', async () => {
      return (await readOutboxLag(pool)).pending === 0;
    });
    thaw.resolve();
    await again.promise;
    const idOf = ({ headers }: ReadRecord) => headers.get(MESSAGE_ID_HEADER);
    const messages = await readRecords(
      topic,
      (read) => read.length >= EVENTS && new Set(read.map(idOf)).size === EVENTS,
    );
    const ids = messages.map(idOf);
    const firsts = messages.filter((_, i) => ids.indexOf(ids[i]) === i);
    for (const [key, ofKey] of Map.groupBy(firsts, (message) => String(message.key))) {
      const amounts = ofKey.map(({ value }) => Number(value));
      assert.deepEqual(
        amounts,
        amounts.toSorted((a, b) => a - b),
        key,
      );
    }
  });
});
