/** Verify finds each planted fault, and nothing in a correct account. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { processAll, setUpHeart } from '../../test/support/heart.ts';
import type { Handler } from '../handlers/handler.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import type { Pool } from '../store/pool.ts';
import { readReceipts } from './receipts.ts';
import { verify } from './verify.ts';

/** Two partitions that together have every kind of outcome. */
async function setUp(t: TestContext) {
  const { pool, context } = await setUpHeart(t);
  await pool.query('ALTER TABLE processed_events ADD CONSTRAINT small CHECK (total_amount < 500)');
  const first = wireEvent({ total_amount: '99.9999', timestamp: '9999-12-31T23:59:59.999999Z' });
  const big = wireEvent({ total_amount: '666' });
  const events = [
    first,
    wireEvent({ order_id: first.order_id, user_id: 'O’Brien\n\u{1f600}' }),
    first,
    { ...first, user_id: 'other' },
    'garbage',
    big,
    wireEvent({ order_id: big.order_id }),
    wireEvent(),
  ];
  await processAll(context, sliceOfEvents(0, events));
  const gaps = [{ from: 1, to: 4, reason: 'aborted' as const }];
  const slice = { ...sliceOfEvents(0, [wireEvent()], 1), next: 4, gaps };
  await processBatch(context, slice);
  return { pool, context, first };
}

type Options = Parameters<typeof verify>[1];

const ask = (pool: Pool, parts: Partial<Options> = {}) =>
  verify(pool, {
    topic: 'order_events',
    receipts: null,
    handlers: [],
    reader: null,
    onStep: () => {},
    ...USUAL_MODEL,
    ...parts,
  });

const findingsOf = ({ offsets, rows }: Awaited<ReturnType<typeof ask>>) =>
  [
    ...offsets.map((f) => `${f.kind} ${f.partition} ${f.from}-${f.to}`),
    ...rows.map(({ kind, message }) => `${kind}: ${message}`),
  ].join('\n');

describe('verify', () => {
  it('proves a true account, and counts it', async (t) => {
    const { pool } = await setUp(t);
    const verdict = await ask(pool);
    assert.equal(findingsOf(verdict), '');
    assert.equal(verdict.isProven, true);
    const { topic, logId, ...zero } = verdict.partitions[0] ?? { topic: '', logId: 0 };
    assert.deepEqual(zero, {
      partition: 0,
      start: 0,
      position: 8,
      stored: 3,
      duplicates: 1,
      conflicts: 1,
      parked: 2,
      waiting: 1,
      discarded: 0,
      withoutRecord: 0,
      closed: false,
    });
    assert.equal(verdict.partitions[1]?.withoutRecord, 3);
  });

  const faults: Record<string, [sql: string, finding: RegExp]> = {
    'a deleted row': ['DELETE FROM processed_events WHERE log_offset = 1', /hole 0 1-2/],
    'the last row of a partition, deleted': [
      'DELETE FROM processed_events WHERE log_offset = 7',
      /hole 0 7-8/,
    ],
    'all rows of a partition, deleted': [
      'DELETE FROM processed_events WHERE log_partition = 1; DELETE FROM log_gaps',
      /hole 1 0-4/,
    ],
    'a doubled outcome': [
      `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
       SELECT log_id, log_partition, log_offset, event_id FROM processed_events WHERE log_offset = 1`,
      /overlap 0 1-2/,
    ],
    'a skipped offset': [
      'UPDATE consumer_positions SET next_offset = next_offset + 1',
      /hole 0 8-9/,
    ],
    'an outcome past the position': [
      'UPDATE consumer_positions SET next_offset = 7 WHERE log_partition = 0',
      /ahead 0 7-8/,
    ],
    'outcomes in a log that has no position': ['UPDATE duplicates SET log_id = 7', /unowned 0 2-3/],
    'a gap that was widened': ['UPDATE log_gaps SET to_offset = 5', /ahead 1 4-5/],
    'a letter that nobody discarded': [
      `UPDATE dead_letters SET state = 'discarded' WHERE reason = 'invalid_event'`,
      /unexplained: is discarded/,
    ],
    'a conflict of one payload with itself': [
      'UPDATE conflicts SET digest = first_digest',
      /unexplained: is a conflict with its own payload/,
    ],
    'a message of an event that took no effect': [
      `INSERT INTO outbox (message_id, shard, topic, key, headers, event_id, handler, n)
       VALUES (gen_random_uuid(), 0, 't', '', '{}', gen_random_uuid(), 'h', 0)`,
      /orphan: outbox message/,
    ],
    'an altered amount': [
      `UPDATE processed_events SET total_amount = 99.9998 WHERE log_offset = 0;
       UPDATE orders SET amount_sum = amount_sum - 0.0001`,
      /altered: the row does not have its digest/,
    ],
    'an altered user': [
      `UPDATE processed_events SET user_id = 'x' WHERE log_offset = 7`,
      /altered/,
    ],
    'an effect that is off by one': [
      'UPDATE orders SET event_count = event_count + 1 WHERE event_count = 2',
      /effect: orders says 3 events, .*; processed_events says 2 events/,
    ],
    'an effect that is off by a ten-thousandth': [
      'UPDATE orders SET amount_sum = amount_sum + 0.0001 WHERE event_count = 2',
      /effect/,
    ],
    'an order that nobody asked for': [
      `INSERT INTO orders SELECT gen_random_uuid(), user_id, total_amount, event_count, amount_sum,
         last_event_id, first_occurred_at, last_occurred_at, last_log_id, last_log_partition,
         last_log_offset FROM orders LIMIT 1`,
      /effect: orders says 1 events, .*; processed_events says nothing|effect/,
    ],
    'a lost order': ['DELETE FROM orders WHERE event_count = 2', /effect: orders says nothing/],
    'an order that shows an older event': [
      `UPDATE orders o SET last_event_id = p.event_id, last_log_offset = 0, user_id = p.user_id,
         total_amount = p.total_amount FROM processed_events p
        WHERE o.event_count = 2 AND p.log_offset = 0 AND p.log_partition = 0`,
      /last event: does not show/,
    ],
    'a duplicate of nothing': [
      'UPDATE duplicates SET event_id = gen_random_uuid()',
      /orphan: duplicate of an event id that is not taken/,
    ],
    'a held order with nothing parked': [
      'INSERT INTO held_orders (order_id) VALUES (gen_random_uuid())',
      /held order: is held, but has no parked event/,
    ],
    'a parked event whose order is not held': [
      'DELETE FROM held_orders',
      /held order: has parked events, but is not held/,
    ],
  };
  for (const [title, [sql, finding]] of Object.entries(faults)) {
    it(`convicts ${title} [G3]`, async (t) => {
      const { pool } = await setUp(t);
      await pool.query(sql);
      const verdict = await ask(pool);
      assert.match(findingsOf(verdict), finding);
      assert.equal(verdict.isProven, false);
    });
  }

  it('sorts receipts: accounted, pending, unprovable, missing [G1] [G7]', async (t) => {
    const { pool, first } = await setUp(t);
    await pool.query(
      'UPDATE consumer_positions SET start_offset = 2, next_offset = 4 WHERE log_partition = 1',
    );
    const folder = await mkdtemp(join(tmpdir(), 'orderonce-receipts-'));
    t.after(() => rm(folder, { recursive: true }));
    const line = (event_id: string, partition: number, offset: number) =>
      JSON.stringify({ event_id, partition, offset });
    const file = join(folder, 'receipts');
    await writeFile(
      file,
      [
        line(first.event_id, 0, 0),
        line(first.event_id.toUpperCase(), 0, 2),
        line(first.event_id, 0, 7),
        line(crypto.randomUUID(), 0, 99),
        line(crypto.randomUUID(), 1, 1),
        line(crypto.randomUUID(), 7, 0),
        '',
      ].join('\n'),
    );
    const verdict = await ask(pool, { receipts: readReceipts(file) });
    assert.deepEqual(verdict.receipts, { accounted: 2, pending: 2, unprovable: 1, missing: 1 });
    assert.deepEqual(verdict.missing[0]?.offset, 7);
    await writeFile(file, '{"event_id":"x"}\n');
    await assert.rejects(ask(pool, { receipts: readReceipts(file) }), {
      message: /line 1: not a receipt/,
    });
  });

  it('counts handlers as proven only where they export a check, and name what contradicts [G2]', async (t) => {
    const { pool } = await setUp(t);
    const handle = async () => {};
    const handlers: Handler[] = [
      { name: 'silent', handle },
      { name: 'right', handle, check: async () => [] },
      {
        name: 'broken',
        handle,
        check: async (db) => (await db.query('SELECT 1 / 0')).rows as never,
      },
      {
        name: 'wrong',
        handle,
        check: async (db) =>
          (await db.query('SELECT count(*) AS n FROM processed_events')).rows.map(
            ({ n }) => `${n} stored, 0 charged`,
          ),
      },
    ];
    const verdict = await ask(pool, { handlers });
    assert.deepEqual(
      verdict.handlers.map(({ handler, verdict: what, findings }) => [handler, what, ...findings]),
      [
        ['silent', 'not checked'],
        ['right', 'proven'],
        ['broken', 'contradicted', 'The check failed: division by zero'],
        ['wrong', 'contradicted', '4 stored, 0 charged'],
      ],
    );
    assert.equal(verdict.isProven, false);
  });

  it('sees one snapshot while consumers work [G3]', async (t) => {
    const { pool, context } = await setUp(t);
    let next = 8;
    let isDone = false;
    const working = (async () => {
      while (!isDone) {
        await processBatch(context, sliceOfEvents(next, [wireEvent(), wireEvent()]));
        next += 2;
      }
    })();
    for (let i = 0; i < 10; i++) assert.equal(findingsOf(await ask(pool)), '');
    isDone = true;
    await working;
  });
});
