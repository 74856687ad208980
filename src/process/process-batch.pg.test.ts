import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { createDatabase } from '../../test/support/database.ts';
import { sliceOfEvents, type WireEvent, wireEvent } from '../../test/support/events.ts';
import type { LogSlice } from '../log/event-log.ts';
import { logIdOf } from '../store/logs.ts';
import type { Pool } from '../store/pool.ts';
import { ensurePositions, readPositions } from '../store/positions.ts';
import { processBatch } from './process-batch.ts';
import type { BatchContext } from './settle-piece.ts';

const TOPIC = 'order_events';
const LIMITS = { lockMs: 3000, statementMs: 8000, idleMs: 5000 };

/** A database with positions for `partitions` empty partitions. */
async function setUp(t: TestContext, partitions = 2) {
  const { pool, url } = await createDatabase(t);
  const logId = await logIdOf(pool, { topic: TOPIC, topicId: 'topic-1', partitions });
  const bounds = Array.from({ length: partitions }, (_, p) => [p, { start: 0, end: 0 }] as const);
  await ensurePositions(pool, TOPIC, logId, new Map(bounds));
  const context: BatchContext = { pool, limits: LIMITS, topic: TOPIC, logId, owner: 'test' };
  return { pool, url, context };
}

async function count(pool: Pool, table: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(`SELECT count(*) AS n FROM ${table}`);
  return rows[0]?.n ?? -1;
}

async function nextOffset(pool: Pool, partition = 0): Promise<number | undefined> {
  const positions = await readPositions(pool, TOPIC);
  return positions.find((position) => position.partition === partition)?.nextOffset;
}

/** Processes a slice to its end, as the worker does when an isolation commits only a prefix. */
async function processAll(context: BatchContext, slice: LogSlice): Promise<number> {
  let transactions = 0;
  for (let next = slice.from; next < slice.next; transactions++) {
    const records = slice.records.filter((record) => record.offset >= next);
    const gaps = slice.gaps.filter((gap) => gap.to > next);
    next = (await processBatch(context, { ...slice, from: next, records, gaps })).next;
  }
  return transactions;
}

/** Makes PostgreSQL refuse what a team's own rules would: an amount of 666, with class 23. */
async function refuse666(pool: Pool, deferred = false): Promise<void> {
  await pool.query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN IF NEW.total_amount = 666 THEN
         RAISE EXCEPTION 'no such amount' USING ERRCODE = '23514';
       END IF; RETURN NEW; END $$`,
  );
  await pool.query(
    deferred
      ? `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON processed_events
           DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`
      : 'CREATE TRIGGER refuse BEFORE INSERT ON processed_events FOR EACH ROW EXECUTE FUNCTION refuse()',
  );
}

/** Counts SAVEPOINTs between BEGIN and COMMIT on every connection. */
function countSavepoints(pool: Pool): { most: number } {
  const counted = { most: 0 };
  pool.on('acquire', (client) => {
    let open = 0;
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((...args: unknown[]) => {
      const text = String(args[0]);
      open = /^BEGIN/.test(text) ? 0 : open + (/^SAVEPOINT/.test(text) ? 1 : 0);
      counted.most = Math.max(counted.most, open);
      return query(...args);
    }) as typeof client.query;
  });
  return counted;
}

async function orderRow(pool: Pool, orderId: string) {
  const { rows } = await pool.query(
    `SELECT event_count, amount_sum::text, total_amount::text, last_event_id, user_id
       FROM orders WHERE order_id = $1`,
    [orderId],
  );
  return rows[0];
}

describe('processBatch', () => {
  it('gives every record exactly one outcome and moves the position with it [G2] [G3] [G7]', async (t) => {
    const { pool, context } = await setUp(t);
    const first = wireEvent();
    const outcome = await processBatch(
      context,
      sliceOfEvents(0, [
        first,
        first,
        { ...first, total_amount: '11' },
        'garbage',
        null,
        Buffer.from([0xff, 0x00]),
        wireEvent(),
      ]),
    );
    assert.deepEqual(
      [
        outcome.stored,
        outcome.duplicates.length,
        outcome.conflicts.length,
        outcome.deadLetters.length,
      ],
      [2, 1, 1, 3],
    );
    assert.equal(await count(pool, 'processed_events'), 2);
    assert.equal(await count(pool, 'duplicates'), 1);
    assert.equal(await count(pool, 'conflicts'), 1);
    assert.equal(await count(pool, 'dead_letters'), 3);
    assert.equal(await nextOffset(pool), 7);
  });

  it('keeps dead letters with their exact bytes; NULL stays NULL [G3]', async (t) => {
    const { pool, context } = await setUp(t);
    const slice = sliceOfEvents(0, [Buffer.from([0x00, 0xff, 0x22]), null]);
    const headers = [
      [Buffer.from('trace'), Buffer.from([0, 1])],
      [Buffer.from('none'), null],
    ] as const;
    const [raw, tombstone] = slice.records;
    assert.ok(raw && tombstone);
    await processBatch(context, { ...slice, records: [{ ...raw, headers }, tombstone] });
    const { rows } = await pool.query('SELECT * FROM dead_letters ORDER BY log_offset');
    assert.deepEqual(rows[0].value, Buffer.from([0x00, 0xff, 0x22]));
    assert.deepEqual(rows[0].headers, [
      ['dHJhY2U=', 'AAE='],
      ['bm9uZQ==', null],
    ]);
    assert.deepEqual(
      [rows[0].state, rows[0].reason, rows[0].digest],
      ['parked', 'invalid_event', null],
    );
    assert.deepEqual([rows[1].value, rows[1].key], [null, null]);
  });

  it('passes whatever bytes lie in the log: what it quotes of them never stops it [G3]', async (t) => {
    const { context } = await setUp(t);
    const text = JSON.stringify(wireEvent());
    const spoilt = [
      ...['event_id', 'user_id', 'total_amount', 'timestamp', 'more'].flatMap((name) =>
        ['"a\\u0000b"', '"a\\ud800"', '1e999999', '1e200000', '{"\\u0000":[1e400,"\\udfff"]}'].map(
          (value) => text.replace('{', `{"${name}":${value},`),
        ),
      ),
      '{"a\\u0000":1}',
      Buffer.from([0, 0, 0, 0, 1, 0x22]),
      '{"\\ud800":{}}',
      '"\\u0000"',
      '1e400',
      '[1e400]',
    ];
    const outcome = await processBatch(context, sliceOfEvents(0, spoilt));
    assert.equal(outcome.deadLetters.length, spoilt.length);
    // Times that no calendar has, as a client may write them.
    const slice = sliceOfEvents(spoilt.length, ['x', 'y', 'z']);
    const times = [1.7e18, -1e15, Number.NaN];
    const records = slice.records.map((r, i) => ({ ...r, appendedMs: times[i] as number }));
    await processBatch(context, { ...slice, records });
    let next = slice.next;
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
      fc.json({ noUnicodeString: false }).map((json) => Buffer.from(json)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 50 }), async (values) => {
        const { deadLetters } = await processBatch(context, sliceOfEvents(next, values));
        assert.equal(deadLetters.length, values.length);
        next += values.length;
      }),
      { numRuns: 30 },
    );
  });

  it('an invalid record claims no id and holds no order [G4]', async (t) => {
    const { pool, context } = await setUp(t);
    const event = wireEvent();
    const invalid = JSON.stringify({ ...event, total_amount: -1 });
    const { rows } = (await processBatch(context, sliceOfEvents(0, [invalid, event]))) && {
      rows: (await pool.query('SELECT event_id FROM dead_letters')).rows,
    };
    assert.equal(rows[0].event_id, event.event_id);
    assert.equal(await count(pool, 'processed_events'), 1);
    assert.equal(await count(pool, 'held_orders'), 0);
  });

  it('compares a repeat with the payload that was stored, not with one beside it [G4]', async (t) => {
    const { pool, context } = await setUp(t);
    const stored = wireEvent({ total_amount: '1' });
    await processBatch(context, sliceOfEvents(0, [stored]));
    const other = { ...stored, total_amount: '2' };
    const outcome = await processBatch(context, sliceOfEvents(1, [other, stored, other]));
    assert.deepEqual(
      outcome.conflicts.map(({ event }) => event.record.offset),
      [1, 3],
    );
    assert.deepEqual(
      outcome.duplicates.map(({ event }) => event.record.offset),
      [2],
    );
    const { rows } = await pool.query('SELECT payload, first_payload FROM conflicts LIMIT 1');
    assert.equal(rows[0].payload.total_amount, '2.0000');
    assert.deepEqual(rows[0].first_payload, {
      ...stored,
      total_amount: '1.0000',
      timestamp: '2026-01-02T03:04:05.000000Z',
    });
  });

  it('writes nothing for a record that meets its own row after a rewind [G2]', async (t) => {
    const { pool, context } = await setUp(t);
    const event = wireEvent();
    const slice = sliceOfEvents(0, [event, event, { ...event, user_id: 'other' }, 'garbage']);
    await processBatch(context, slice);
    await pool.query('UPDATE consumer_positions SET next_offset = 0');
    const again = await processBatch(context, slice);
    assert.equal(again.stored, 0);
    assert.deepEqual(await orderRow(pool, event.order_id), {
      event_count: 1,
      amount_sum: '10.0000',
      total_amount: '10.0000',
      last_event_id: event.event_id,
      user_id: 'user-1',
    });
    for (const table of ['processed_events', 'duplicates', 'conflicts', 'dead_letters']) {
      assert.equal(await count(pool, table), 1, table);
    }
  });

  it('sums every event of an order and keeps the one that lies last in the log [G5]', async (t) => {
    const { pool, context } = await setUp(t);
    const order_id = randomUUID();
    const events = ['1', '2', '3.5'].map((total_amount, i) =>
      wireEvent({
        order_id,
        total_amount,
        user_id: `u${i}`,
        timestamp: `202${8 - i}-01-01T00:00:00Z`,
      }),
    );
    await processBatch(context, sliceOfEvents(0, events.slice(0, 2)));
    await processBatch(context, sliceOfEvents(2, events.slice(2)));
    const row = await orderRow(pool, order_id);
    assert.deepEqual([row.event_count, row.amount_sum], [3, '6.5000']);
    assert.deepEqual([row.total_amount, row.user_id], ['3.5000', 'u2']);
    assert.equal(row.last_event_id, events[2]?.event_id);
  });

  it('adds maximal amounts without overflow [G8]', async (t) => {
    const { pool, context } = await setUp(t);
    const order_id = randomUUID();
    const maximal = () => wireEvent({ order_id, total_amount: '99999999999999.9999' });
    await processBatch(context, sliceOfEvents(0, [maximal(), maximal(), maximal()]));
    await processBatch(context, sliceOfEvents(3, [maximal()]));
    assert.equal((await orderRow(pool, order_id)).amount_sum, '399999999999999.9996');
  });

  it('refuses a batch whose position was moved by another, and stores nothing [G7]', async (t) => {
    const { pool, context } = await setUp(t);
    await processBatch(context, sliceOfEvents(0, [wireEvent()]));
    const stale = processBatch(context, sliceOfEvents(0, [wireEvent(), wireEvent()]));
    await assert.rejects(stale, { code: 'POSITION_MOVED' });
    assert.equal(await count(pool, 'processed_events'), 1);
    assert.equal(await nextOffset(pool), 1);
  });

  it('a zombie that wakes up in the middle of its transaction takes nothing along [G7]', async (t) => {
    const { pool, url, context } = await setUp(t);
    const slice = sliceOfEvents(0, [wireEvent()]);
    // The zombie holds the fence of partition 0 and sleeps: PostgreSQL ends its session.
    const pg = await import('pg');
    const zombie = new pg.default.Client({ connectionString: url });
    zombie.on('error', () => {});
    await zombie.connect();
    await zombie.query('BEGIN');
    await zombie.query('SET LOCAL idle_in_transaction_session_timeout = 200');
    await zombie.query('UPDATE consumer_positions SET next_offset = 9 WHERE log_partition = 0');
    await processBatch({ ...context, limits: { ...LIMITS, lockMs: 4000 } }, slice);
    await assert.rejects(zombie.query('COMMIT'));
    assert.equal(await nextOffset(pool), 1);
    assert.equal(await count(pool, 'processed_events'), 1);
  });

  it('two partitions that insert one id at once: one stores, one counts it, none vanishes [G3]', async (t) => {
    const { pool, context } = await setUp(t);
    for (let round = 0; round < 30; round++) {
      const shared = Array.from({ length: 20 }, () => wireEvent());
      const mine = sliceOfEvents(round * 20, shared, 0);
      const theirs = sliceOfEvents(round * 20, shared.toReversed(), 1);
      const outcomes = await Promise.all([
        processBatch(context, mine),
        processBatch(context, theirs),
      ]);
      const stored = outcomes.reduce((sum, outcome) => sum + outcome.stored, 0);
      const duplicates = outcomes.reduce((sum, outcome) => sum + outcome.duplicates.length, 0);
      assert.deepEqual([stored, duplicates], [20, 20], `round ${round}`);
    }
    assert.equal(await count(pool, 'processed_events'), 600);
    assert.equal(await count(pool, 'duplicates'), 600);
  });

  it('two partitions that meet in the same orders do not deadlock [G2]', async (t) => {
    const { pool, context } = await setUp(t);
    const orders = Array.from({ length: 50 }, () => randomUUID());
    for (let round = 0; round < 20; round++) {
      const events = (ids: string[]) => ids.map((order_id) => wireEvent({ order_id }));
      await Promise.all([
        processBatch(context, sliceOfEvents(round * 50, events(orders), 0)),
        processBatch(context, sliceOfEvents(round * 50, events(orders.toReversed()), 1)),
      ]);
    }
    const { rows } = await pool.query('SELECT DISTINCT event_count FROM orders');
    assert.deepEqual(rows, [{ event_count: 40 }]);
  });

  it('keeps the leader epoch of the records, also behind a slice that holds none', async (t) => {
    const { pool, context } = await setUp(t);
    await processBatch(context, { ...sliceOfEvents(0, [wireEvent()]), leaderEpoch: 7 });
    const gaps = [{ from: 1, to: 2, reason: 'control' as const }];
    await processBatch(context, { ...sliceOfEvents(1, []), next: 2, gaps, leaderEpoch: -1 });
    const { rows } = await pool.query(
      'SELECT leader_epoch FROM consumer_positions WHERE log_partition = 0',
    );
    assert.equal(rows[0].leader_epoch, 7);
  });

  it('names offsets that hold no record [G3]', async (t) => {
    const { pool, context } = await setUp(t);
    const slice: LogSlice = {
      ...sliceOfEvents(0, [wireEvent()]),
      next: 7,
      gaps: [
        { from: 1, to: 3, reason: 'aborted' },
        { from: 3, to: 7, reason: 'control' },
      ],
    };
    await processBatch(context, slice);
    const { rows } = await pool.query(
      'SELECT from_offset, to_offset, reason FROM log_gaps ORDER BY from_offset',
    );
    assert.deepEqual(rows, [
      { from_offset: 1, to_offset: 3, reason: 'aborted' },
      { from_offset: 3, to_offset: 7, reason: 'control' },
    ]);
    assert.equal(await nextOffset(pool), 7);
  });
});

describe('processBatch, when PostgreSQL refuses rows', () => {
  for (const deferred of [false, true]) {
    const how = deferred ? 'at a deferred constraint' : 'at the insert';
    it(`parks one guilty event among 1,000 refused ${how}, and stores the rest [G3] [G6]`, async (t) => {
      const { pool, context } = await setUp(t);
      await refuse666(pool, deferred);
      const events = Array.from({ length: 1000 }, () => wireEvent());
      events[617] = wireEvent({ total_amount: '666' });
      const transactions = await processAll(context, sliceOfEvents(0, events));
      assert.equal(transactions, 1);
      assert.equal(await count(pool, 'processed_events'), 999);
      const { rows } = await pool.query('SELECT * FROM dead_letters');
      assert.deepEqual(
        rows.map((row) => [row.log_offset, row.state, row.reason, row.sqlstate]),
        [[617, 'parked', 'refused_by_database', '23514']],
      );
      assert.equal(await nextOffset(pool), 1000);
    });
  }

  it('lets later events of a parked order wait, in the same batch and after it [G5]', async (t) => {
    const { pool, context } = await setUp(t);
    await refuse666(pool);
    const order_id = randomUUID();
    const poison = wireEvent({ order_id, total_amount: '666' });
    const later = wireEvent({ order_id });
    const other = wireEvent();
    await processAll(context, sliceOfEvents(0, [wireEvent({ order_id }), poison, later, other]));
    const after = wireEvent({ order_id });
    await processBatch(context, sliceOfEvents(4, [after, wireEvent()]));
    const { rows } = await pool.query(
      'SELECT event_id, state FROM dead_letters ORDER BY log_offset',
    );
    assert.deepEqual(rows, [
      { event_id: poison.event_id, state: 'parked' },
      { event_id: later.event_id, state: 'waiting' },
      { event_id: after.event_id, state: 'waiting' },
    ]);
    assert.equal((await orderRow(pool, order_id)).event_count, 1);
    assert.equal(await count(pool, 'processed_events'), 3);
  });

  it('counts resends of parked and waiting events as duplicates or conflicts [G4]', async (t) => {
    const { pool, context } = await setUp(t);
    await refuse666(pool);
    const poison = wireEvent({ total_amount: '666' });
    const waiting = wireEvent({ order_id: poison.order_id });
    const changed: WireEvent = { ...poison, total_amount: '5' };
    await processAll(context, sliceOfEvents(0, [poison, waiting, poison, changed]));
    const outcome = await processBatch(context, sliceOfEvents(4, [poison, waiting, changed]));
    assert.deepEqual(
      [
        outcome.stored,
        outcome.duplicates.length,
        outcome.conflicts.length,
        outcome.deadLetters.length,
      ],
      [0, 2, 1, 0],
    );
    assert.equal(await count(pool, 'processed_events'), 0);
    assert.deepEqual([await count(pool, 'duplicates'), await count(pool, 'conflicts')], [3, 2]);
    const { rows } = await pool.query('SELECT first_payload FROM conflicts LIMIT 1');
    assert.equal(rows[0].first_payload.total_amount, '666');
  });

  it('an id parked in one partition and stored in another at once ends as one of both [G4]', async (t) => {
    const { pool, context } = await setUp(t);
    await refuse666(pool);
    for (let round = 0; round < 25; round++) {
      const ids = Array.from({ length: 4 }, () => randomUUID());
      const poison = ids.map((event_id) => wireEvent({ event_id, total_amount: '666' }));
      const good = ids.map((event_id) => wireEvent({ event_id }));
      const events = [
        [wireEvent(), ...poison],
        [...good, wireEvent()],
      ];
      const settle = async (partition: number) => {
        for (;;) {
          const from = (await nextOffset(pool, partition)) ?? -1;
          if (from >= (round + 1) * 5) return;
          const rest = (events[partition] ?? []).slice(from - round * 5);
          await processBatch(context, sliceOfEvents(from, rest, partition)).catch((error) => {
            if (!['CLAIM_RACE', '40P01'].includes(error.code)) throw error;
          });
        }
      };
      await Promise.all([settle(0), settle(1)]);
    }
    const { rows } = await pool.query(
      'SELECT event_id FROM dead_letters JOIN processed_events USING (event_id)',
    );
    assert.deepEqual(rows, []);
    assert.equal(
      (await count(pool, 'processed_events')) + (await count(pool, 'dead_letters')),
      150,
    );
  });

  it('parks nothing when every event is refused: a changed table is no bad event [G6]', async (t) => {
    const { pool, context } = await setUp(t);
    await pool.query('ALTER TABLE orders ADD COLUMN region text NOT NULL');
    const batch = sliceOfEvents(
      0,
      Array.from({ length: 20 }, () => wireEvent()),
    );
    await assert.rejects(processBatch(context, batch), { code: 'ALL_REFUSED' });
    assert.deepEqual([await count(pool, 'dead_letters'), await nextOffset(pool)], [0, 0]);
    await pool.query('ALTER TABLE orders ALTER COLUMN region DROP NOT NULL');
    assert.equal((await processBatch(context, batch)).stored, 20);
  });

  it('settles a conflict with an event that waits in the same batch [G4]', async (t) => {
    const { pool, context } = await setUp(t);
    await refuse666(pool);
    const poison = wireEvent({ total_amount: '666' });
    const waiting = wireEvent({ order_id: poison.order_id });
    const changed = { ...waiting, total_amount: '5' };
    await processAll(context, sliceOfEvents(0, [wireEvent(), poison]));
    await processAll(context, sliceOfEvents(2, [waiting, changed]));
    const { rows } = await pool.query('SELECT first_payload FROM conflicts');
    assert.equal(rows[0].first_payload.event_id, waiting.event_id);
  });

  it('never applies the resend of a discarded event [G4]', async (t) => {
    const { pool, context } = await setUp(t);
    await refuse666(pool);
    const poison = wireEvent({ total_amount: '666' });
    await processAll(context, sliceOfEvents(0, [poison]));
    await pool.query(`UPDATE dead_letters SET state = 'discarded'`);
    await pool.query('DELETE FROM held_orders');
    await pool.query('DROP TRIGGER refuse ON processed_events');
    const outcome = await processBatch(context, sliceOfEvents(1, [poison]));
    assert.deepEqual([outcome.stored, outcome.duplicates.length], [0, 1]);
  });

  it('commits a prefix after 50 savepoints and goes on behind it [G10]', async (t) => {
    const { pool, context } = await setUp(t);
    await refuse666(pool);
    const events = Array.from({ length: 400 }, (_, i) =>
      wireEvent(i % 8 === 3 ? { total_amount: '666' } : {}),
    );
    const savepoints = countSavepoints(pool);
    const transactions = await processAll(context, sliceOfEvents(0, events));
    assert.ok(transactions > 1);
    assert.ok(savepoints.most <= 50, `${savepoints.most} savepoints in one transaction`);
    assert.equal(await count(pool, 'processed_events'), 350);
    assert.equal(await count(pool, 'dead_letters'), 50);
    assert.equal(await nextOffset(pool), 400);
  });

  it('parks nothing for an error that is not about the rows [G6]', async (t) => {
    const { pool, context } = await setUp(t);
    await pool.query(
      `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$`,
    );
    await pool.query(
      'CREATE TRIGGER fail BEFORE INSERT ON processed_events FOR EACH ROW EXECUTE FUNCTION fail()',
    );
    await assert.rejects(processBatch(context, sliceOfEvents(0, [wireEvent(), 'garbage'])));
    assert.equal(await count(pool, 'dead_letters'), 0);
    assert.equal(await nextOffset(pool), 0);
  });
});
