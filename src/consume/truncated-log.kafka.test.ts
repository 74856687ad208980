/** A running consumer whose log is truncated and grows again, as after an unclean election. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Broker } from '../../dev/kafka/broker.ts';
import { newReader, produce, startConsumer, untilStored } from '../../test/support/consumer.ts';
import { createDatabase } from '../../test/support/database.ts';
import { wireEvent } from '../../test/support/events.ts';
import { KAFKA, MODE, newTopic } from '../../test/support/kafka.ts';
import { until } from '../../test/support/until.ts';

const PORT = 19_892;

if (KAFKA !== undefined) {
  describe('Consumer on a log that is truncated under it', () => {
    it('stops the partition though the log has grown past its position again [G3]', async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'orderonce-truncated-'));
      const broker = await Broker.start({ port: PORT, folder, mode: MODE });
      t.after(async () => {
        await broker.stop();
        await rm(folder, { recursive: true, force: true });
      });
      const { bootstrap } = broker;
      const topic = await newTopic(1, bootstrap);
      const produceSome = (count: number) =>
        produce(
          topic,
          Array.from({ length: count }, () => ({ value: JSON.stringify(wireEvent()) })),
          bootstrap,
        );
      const log = join(folder, 'log', `${topic}-0`);
      await produceSome(5);
      await broker.stop();
      await cp(log, join(folder, 'before'), { recursive: true });
      await broker.restart();
      await produceSome(5);

      const db = await createDatabase(t);
      const reader = newReader(t, topic, { bootstrap });
      // Without a group, whose next rebalance would check the position anyway.
      reader.join = async (listener) => listener.onAssign([0]);
      const fetch = reader.fetch.bind(reader);
      let mayFetch = Promise.resolve();
      reader.fetch = async (...args) => {
        await mayFetch;
        return await fetch(...args);
      };
      const consumer = startConsumer(t, db, topic, { reader });
      await untilStored(db, 10);
      const regrown = Promise.withResolvers<void>();
      mayFetch = regrown.promise;
      await broker.stop();
      await rm(log, { recursive: true });
      await cp(join(folder, 'before'), log, { recursive: true });
      await broker.restart();
      await produceSome(9);
      regrown.resolve();

      await until('it stops', () => consumer.partitions[0]?.state === 'stopped', {
        withinMs: 20_000,
      });
      assert.match(consumer.troubles.join(), /LOG_REWRITTEN/);
      const { rows } = await db.pool.query('SELECT count(*)::int AS n FROM processed_events');
      assert.equal(rows[0].n, 10);
    });
  });
}
