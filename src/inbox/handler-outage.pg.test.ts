/**
 * An outage of the handlers: no event is parked for it, it is retried and logged in moderation, and
 * health, metrics and `positions` show it.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import { sliceOfEvents, type WireEvent, wireEvent } from '../../test/support/events.ts';
import { count, setUpHeart } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { PartitionWorker } from '../consume/partition-worker.ts';
import { Suspicion } from '../consume/suspicion.ts';
import { Turns } from '../consume/turns.ts';
import type { Handler } from '../handlers/handler.ts';
import { readTroubles } from '../store/position-troubles.ts';
import { readPositions } from '../store/positions.ts';

/** Workers of several partitions. Their handler charges into a table that may be missing. */
async function setUp(t: TestContext, partitions = 2) {
  const { pool, context } = await setUpHeart(t, partitions);
  const lines: Record<string, unknown>[] = [];
  let calls = 0;
  const handler: Handler = {
    name: 'charge',
    handle: async (events, tx) => {
      calls++;
      if (events.some(({ totalAmount }) => totalAmount === '666.0000')) throw new Error('bad');
      const ids = events.map(({ eventId }) => eventId);
      await tx.query('INSERT INTO ledger SELECT unnest($1::uuid[])', [ids]);
    },
  };
  const stopping = new AbortController();
  const shared = { ...context, handlers: { handlers: [handler], timeoutMs: 1500, attemptsMax: 1 } };
  const turns = new Turns({ connections: 2, batchMax: 100 });
  const workers = (await readPositions(pool, context.topic)).map(
    (position) =>
      new PartitionWorker(position, {
        context: shared,
        suspicion: new Suspicion(shared, null, false),
        turns,
        batchMax: 100,
        logger: pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) }),
        signal: stopping.signal,
        onCommitted: () => {},
      }),
  );
  const running = workers.map((worker) => worker.run());
  t.after(async () => {
    stopping.abort();
    await Promise.all(running);
  });
  const feed = (partition: number, events: WireEvent[]) =>
    workers[partition]?.buffer.add(sliceOfEvents(0, events, partition));
  const triesOf = (partition: number) => workers[partition]?.status.attempts ?? 0;
  const restore = () => pool.query('CREATE TABLE ledger (event_id uuid PRIMARY KEY)');
  return { pool, context, workers, lines, feed, triesOf, restore, calls: () => calls };
}

const good = (n: number) => Array.from({ length: n }, () => wireEvent());

describe('While all handlers fail', () => {
  it('attempts do not count: afterwards only the guilty event is parked [G6]', async (t) => {
    const { pool, workers, feed, triesOf, restore } = await setUp(t);
    feed(0, [wireEvent(), wireEvent({ total_amount: '666' }), ...good(8)]);
    feed(1, good(10));
    await until('both have tried often', () => triesOf(0) >= 5 && triesOf(1) >= 5);
    assert.equal(await count(pool, 'dead_letters'), 0);
    await restore();
    const isDone = () => workers.every(({ nextOffset }) => nextOffset === 10);
    await until('all is settled', isDone, { withinMs: 30_000 });
    // Two attempts on a slow machine: if no witness succeeded in time, the first failure counts
    // only once the other partition has stored something.
    const { rows } = await pool.query(
      'SELECT log_partition AS p, log_offset AS o, attempts <= 2 AS few FROM dead_letters',
    );
    assert.deepEqual(rows, [{ p: 0, o: 1, few: true }]);
    assert.equal(await count(pool, 'ledger'), 19);
  });

  it('tries become rarer, each state is said once, and its end once [G10]', async (t) => {
    const { workers, lines, feed, triesOf, restore, calls } = await setUp(t, 1);
    feed(0, good(50));
    await until('it has tried for a while', () => triesOf(0) >= 7);
    const before = calls();
    const started = performance.now();
    await until('it tries once more', () => triesOf(0) >= 8);
    assert.ok(performance.now() - started > 1000, 'the wait does not grow');
    assert.ok(calls() - before <= 8, `${calls() - before} calls of handlers for one try`);
    assert.deepEqual(
      lines.map(({ msg, code }) => [msg, code]),
      [['Partition retries', 'HANDLER_FAILS']],
    );
    await restore();
    await until('all is stored', () => workers[0]?.nextOffset === 50, { withinMs: 30_000 });
    assert.deepEqual(
      lines.slice(1).map(({ msg }) => msg),
      ['Partition runs again'],
    );
  });

  it('state, reason, since and tries can be read elsewhere; the position does not seem to move', async (t) => {
    const { pool, context, workers, feed, restore } = await setUp(t, 1);
    feed(0, good(3));
    const [before] = await readPositions(pool, context.topic);
    const trouble = await until('it is written down', async () =>
      (await readTroubles(pool, context.topic)).get(0),
    );
    assert.deepEqual([trouble.state, trouble.code], ['retrying', 'HANDLER_FAILS']);
    assert.match(trouble.message, /^Handler "charge": relation "ledger" does not exist/);
    assert.equal(Date.parse(trouble.since), workers[0]?.status.since.getTime());
    assert.ok(trouble.attempts >= 2);
    const [after] = await readPositions(pool, context.topic);
    assert.deepEqual(after?.updatedAt, before?.updatedAt);
    await restore();
    await until('all is stored', () => workers[0]?.nextOffset === 3, { withinMs: 30_000 });
    await until('the record is gone', async () => {
      return (await readTroubles(pool, context.topic)).size === 0;
    });
  });
});

describe('While one event fails', () => {
  it('a row of bad events is found guilty, though none behind the first succeeds [G6]', async (t) => {
    const { pool, workers, feed, restore } = await setUp(t);
    await restore();
    const bad = Array.from({ length: 6 }, () => wireEvent({ total_amount: '666' }));
    feed(0, bad);
    feed(1, good(1));
    await until('the other partition is done', () => workers[1]?.nextOffset === 1);
    for (let next = 1; (workers[0]?.nextOffset ?? 0) < 6; next++) {
      assert.ok(next < 60, 'the bad events are not parked');
      workers[1]?.buffer.add(sliceOfEvents(next, good(1), 1));
      await until('another success', () => workers[1]?.nextOffset === next + 1);
      const { nextOffset, status } = workers[0] as PartitionWorker;
      await until('another try', () => {
        const now = workers[0] as PartitionWorker;
        return now.nextOffset !== nextOffset || now.status.attempts !== status.attempts;
      });
    }
    assert.equal(await count(pool, 'dead_letters'), 6);
  });
});
