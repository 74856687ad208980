/** Turns of several partitions on a real PostgreSQL: which share a transaction and which do not. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { throughProxy } from '../../test/support/database.ts';
import { sliceOfEvents, type WireEvent, wireEvent } from '../../test/support/events.ts';
import { count, nextOffset, orderRow, setUpHeart } from '../../test/support/heart.ts';
import type { OrderonceError } from '../errors.ts';
import { TerminalError } from '../handlers/handler.ts';
import type { BatchContext, BatchOutcome } from '../inbox/batch.ts';
import { processBatch } from '../inbox/process-batch.ts';
import type { LogSlice } from '../log/event-log.ts';
import { type CarriedOut, type Turn, Turns } from './turns.ts';

async function setUp(t: TestContext, partitions: number, connections = 2) {
  const { pool, context } = await setUpHeart(t, partitions);
  const commits: Map<number, number>[] = [];
  const turns = new Turns({ connections, batchMax: 100 });
  const carryOut = turns.carryOut.bind(turns);
  const onCommitted: Turn['onCommitted'] = (moved) =>
    commits.push(new Map(moved.map((m) => [m.partition, m.next])));
  turns.carryOut = (turn) => carryOut({ ...turn, onCommitted });
  return { pool, context, turns, commits };
}

const NEVER = new AbortController().signal;

function outcomeOf(carriedOut: CarriedOut | null): BatchOutcome {
  assert.ok(carriedOut !== null && 'outcome' in carriedOut);
  return carriedOut.outcome;
}

/** The error code of a failed turn; null if it took effect. */
function codeOf(carriedOut: CarriedOut | null): string | null {
  assert.ok(carriedOut !== null);
  return 'failure' in carriedOut ? (carriedOut.failure as OrderonceError).code : null;
}

function turnOf(context: BatchContext, slice: LogSlice, share: Turn['share'] = 'together'): Turn {
  return {
    context,
    share,
    buffer: {
      size: { records: slice.records.length, bytes: 0 },
      take: () => slice,
      putBack: () => {},
    },
    recordsMax: 100,
    signal: NEVER,
    onCommitted: () => assert.fail(),
    process: (taken) => processBatch(context, taken),
  };
}

describe('Turns', () => {
  it('settles what waits together in one transaction, each partition to its end [G2] [G3]', async (t) => {
    const { pool, context, turns, commits } = await setUp(t, 3);
    const event = wireEvent();
    const changed = { ...event, user_id: 'another' };
    const gaps = [{ from: 2, to: 4, reason: 'control' as const }];
    const outcomes = await Promise.all([
      turns.carryOut(turnOf(context, sliceOfEvents(0, [event, wireEvent()], 0))),
      turns.carryOut(turnOf(context, { ...sliceOfEvents(0, [event, changed], 1), next: 4, gaps })),
      turns.carryOut(turnOf(context, sliceOfEvents(0, ['garbage', wireEvent()], 2))),
    ]);
    assert.deepEqual(
      outcomes.map((carriedOut) => outcomeOf(carriedOut).next),
      [2, 4, 2],
    );
    assert.deepEqual(
      commits.map((positions) => [...positions]),
      [
        [
          [0, 2],
          [1, 4],
          [2, 2],
        ],
      ],
    );
    const { rows } = await pool.query('SELECT DISTINCT xmin FROM processed_events');
    assert.equal(rows.length, 1);
    const tables = ['processed_events', 'duplicates', 'conflicts', 'dead_letters', 'log_gaps'];
    const counts = await Promise.all(tables.map((table) => count(pool, table)));
    assert.deepEqual(counts, [3, 1, 1, 1, 1]);
    const { rows: places } = await pool.query(
      `SELECT log_partition AS p, log_offset AS o FROM duplicates UNION ALL
       SELECT log_partition, log_offset FROM conflicts UNION ALL
       SELECT log_partition, log_offset FROM dead_letters`,
    );
    assert.deepEqual(
      places.map(({ p, o }) => [p, o]),
      [
        [1, 0],
        [1, 1],
        [2, 0],
      ],
    );
  });

  it('lets an order that lies in several partitions end with the last of them [G5]', async (t) => {
    const { pool, context, turns } = await setUp(t, 3);
    const order_id = crypto.randomUUID();
    const events = ['a', 'b', 'c', 'd'].map((user_id) => wireEvent({ order_id, user_id }));
    const [a, b, c, d] = events as [WireEvent, WireEvent, WireEvent, WireEvent];
    await Promise.all([
      turns.carryOut(turnOf(context, sliceOfEvents(0, [d], 2))),
      turns.carryOut(turnOf(context, sliceOfEvents(0, [a, b], 0))),
      turns.carryOut(turnOf(context, sliceOfEvents(0, [c], 1))),
    ]);
    const row = await orderRow(pool, order_id);
    assert.deepEqual([row.event_count, row.user_id, row.last_event_id], [4, 'd', d.event_id]);
  });

  it('leaves the trouble of a partition its own: the others take effect [G6] [G7]', async (t) => {
    const { pool, context, turns } = await setUp(t, 4);
    const poison = wireEvent({ user_id: 'poison' });
    const handlers = {
      ...context.handlers,
      handlers: [
        {
          name: 'picky',
          handle: async (events: readonly { userId: string }[]) => {
            if (events.some(({ userId }) => userId === 'poison')) throw new TerminalError('no');
          },
        },
      ],
    };
    const picky = { ...context, handlers };
    await pool.query('UPDATE consumer_positions SET next_offset = 7 WHERE log_partition = 3');
    const turn = (events: WireEvent[], partition: number) =>
      turns.carryOut(turnOf(picky, sliceOfEvents(0, events, partition)));
    const carriedOut = await Promise.all([
      turn([wireEvent()], 0),
      turn([wireEvent(), poison], 1),
      turn([wireEvent()], 2),
      turn([wireEvent()], 3),
    ]);
    assert.deepEqual(carriedOut.map(codeOf), [null, null, null, 'POSITION_MOVED']);
    assert.equal(await count(pool, 'processed_events'), 3);
    assert.equal(await count(pool, 'dead_letters'), 1);
    const positions = await Promise.all([0, 1, 2, 3].map((p) => nextOffset(pool, p)));
    assert.deepEqual(positions, [1, 2, 1, 7]);
  });

  it('lets events of a held order wait, in whatever company they come [G5]', async (t) => {
    const { pool, context, turns } = await setUp(t, 2);
    const order_id = crypto.randomUUID();
    await pool.query('INSERT INTO held_orders (order_id) VALUES ($1)', [order_id]);
    await pool.query(
      `INSERT INTO dead_letters (log_id, log_partition, log_offset, event_id, order_id, digest,
         state, reason) VALUES (1, 1, 90, gen_random_uuid(), $1, '\\x00', 'parked', 'test')`,
      [order_id],
    );
    await Promise.all([
      turns.carryOut(turnOf(context, sliceOfEvents(0, [wireEvent({ order_id })], 0))),
      turns.carryOut(turnOf(context, sliceOfEvents(0, [wireEvent()], 1))),
    ]);
    assert.equal(await count(pool, 'processed_events'), 1);
    assert.equal(await count(pool, `dead_letters WHERE state = 'waiting'`), 1);
    assert.deepEqual([await nextOffset(pool, 0), await nextOffset(pool, 1)], [1, 1]);
  });

  it('are told that positions moved when the reply to a shared COMMIT was lost [G2] [G7]', async (t) => {
    const { pool, url, context } = await setUpHeart(t, 2);
    const { proxy, viaProxy } = await throughProxy(t, { url });
    let commits = 0;
    let isCommitting = false;
    proxy.fault = (direction, chunk) => {
      if (direction === 'up' && chunk.includes('COMMIT\0')) isCommitting = true;
      if (direction === 'up' || !isCommitting) return 'pass';
      isCommitting = false;
      return commits++ === 0 ? 'cut' : 'pass';
    };
    const turns = new Turns({ connections: 1, batchMax: 100 });
    const carriedOut = await Promise.all(
      [0, 1].map((partition) => {
        const slice = sliceOfEvents(0, [wireEvent()], partition);
        return turns.carryOut(turnOf({ ...context, pool: viaProxy }, slice));
      }),
    );
    assert.deepEqual(carriedOut.map(codeOf), ['POSITION_MOVED', 'POSITION_MOVED']);
    assert.equal(await count(pool, 'processed_events'), 2);
  });

  it('says what the tables say, however events and repeats lie over partitions [G2] [G4]', async (t) => {
    const { pool, context, turns } = await setUp(t, 3);
    const next = [0, 0, 0];
    const spec = fc.record({ id: fc.nat(9), payload: fc.nat(1), order: fc.nat(2) });
    const batch = fc.array(spec, { minLength: 1, maxLength: 8 });
    const run = crypto.randomUUID().slice(0, 23);
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 3, maxLength: 3 }), async (batches) => {
        const before = await tables(pool);
        const outcomes = await Promise.all(
          batches.map((specs, p) => {
            const events = specs.map(({ id, payload, order }) =>
              wireEvent({
                event_id: `${run}-00000000000${id}`,
                order_id: `${run}-10000000000${order}`,
                user_id: `user ${payload}`,
              }),
            );
            const from = next[p] as number;
            next[p] = from + events.length;
            return turns.carryOut(turnOf(context, sliceOfEvents(from, events, p)));
          }),
        );
        const after = await tables(pool);
        const records = batches.flat().length;
        assert.equal(after.reduce((a, b) => a + b) - before.reduce((a, b) => a + b), records);
        assert.equal(after[0] - before[0], outcomeOf(outcomes[0] ?? null).stored);
      }),
      { numRuns: 40 },
    );
    const { rows } = await pool.query(
      `SELECT (SELECT sum(event_count) FROM orders)::int AS folded,
              (SELECT count(*) FROM processed_events)::int AS stored`,
    );
    assert.equal(rows[0].folded, rows[0].stored);
  });
});

async function tables(pool: BatchContext['pool']): Promise<[number, number, number]> {
  const names = ['processed_events', 'duplicates', 'conflicts'] as const;
  const counts = await Promise.all(names.map((name) => count(pool, name)));
  return counts as [number, number, number];
}
