import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, setUpHeart } from '../../test/support/heart.ts';
import { processBatch } from './process-batch.ts';

describe('Records that hold no valid event', () => {
  it('keeps dead letters with their exact bytes; NULL stays NULL [G3]', async (t) => {
    const { pool, context } = await setUpHeart(t);
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
    const { context } = await setUpHeart(t);
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
    // Record times that are no dates. A foreign client may write any number.
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
    const { pool, context } = await setUpHeart(t);
    const event = wireEvent();
    const invalid = JSON.stringify({ ...event, total_amount: -1 });
    const { rows } = (await processBatch(context, sliceOfEvents(0, [invalid, event]))) && {
      rows: (await pool.query('SELECT event_id FROM dead_letters')).rows,
    };
    assert.equal(rows[0].event_id, event.event_id);
    assert.equal(await count(pool, 'processed_events'), 1);
    assert.equal(await count(pool, 'held_orders'), 0);
  });
});
