/** Records of a topic that others write, from the batch transaction to redrive and verify. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, nextOffset, processAll, setUpHeart } from '../../test/support/heart.ts';
import { Suspicion } from '../consume/suspicion.ts';
import { redrive, redriveEdited } from '../dead-letters/redrive.ts';
import type { Decode } from '../handlers/decode.ts';
import { guardedDecode } from '../handlers/load-decode.ts';
import { NO_HANDLERS } from '../handlers/run-handlers.ts';
import type { LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { noteAttempt, noteDecoded } from '../store/suspects.ts';
import { compareSlice } from '../verify/compare-slice.ts';
import { verify } from '../verify/verify.ts';
import { ParkGuard } from './park-guard.ts';
import { processBatch, processTogether } from './process-batch.ts';

/** `skip` is ignored, `!` is refused, and `=` before an event is its decoded form. */
const decode: Decode = ({ value }) => {
  const text = String(value);
  if (text === 'skip') return null;
  if (text.startsWith('!')) throw new Error(`refused ${text}`);
  return text.slice(1);
};
/** The next release, which can read what the first one refused. */
const repaired: Decode = (record) => {
  const text = String(record.value);
  return text.startsWith('!') && text.length > 2 ? text.slice(1) : decode(record);
};

const theirs = (event = wireEvent()) => `=${JSON.stringify(event)}`;

async function setUp(t: TestContext, parkPercent = 100) {
  const heart = await setUpHeart(t, 1);
  const { pool, context: ours } = heart;
  const rulesOf = (by: Decode) => ({
    ...ours.rules,
    decode: { topics: new Set([ours.topic]), decode: guardedDecode(by) },
  });
  const context = { ...ours, rules: rulesOf(decode), parkGuard: new ParkGuard(parkPercent) };
  const redriving = (by: Decode) => ({
    ...{ pool, handlers: NO_HANDLERS, projection: ours.projection, actor: 'test' },
    rules: rulesOf(by),
  });
  const place = (offset: number) => ({ logId: context.logId, partition: 0, offset });
  const gaps = async () => {
    const sql = `SELECT from_offset AS "from", to_offset AS "to", reason FROM log_gaps ORDER BY 1`;
    return (await pool.query(sql)).rows;
  };
  /** What contradicts the account: the tables, and the log beside the tables. */
  const contradictions = async (slice: LogSlice, by: Decode) => {
    const verdict = await verify(pool, {
      ...{ topic: context.topic, receipts: null, handlers: [], reader: null },
      ...{ rules: context.rules, projection: context.projection, onStep: () => {} },
    });
    const source = { rules: rulesOf(by), topic: context.topic };
    return [
      verdict.offsets,
      verdict.rows,
      await compareSlice(pool, place(0), slice, source),
    ].flat();
  };
  return { ...heart, context, redriving, place, gaps, contradictions };
}

describe('Records of a topic that others write', () => {
  it('have one outcome each: stored, parked with their bytes, or ignored as a gap [G3]', async (t) => {
    const { pool, context, gaps, contradictions } = await setUp(t);
    const event = wireEvent();
    const values = ['skip', theirs(event), '!\u0001', 'skip', 'skip', theirs(event), '=no event'];
    const slice = sliceOfEvents(0, values);
    await processTogether(context, [slice]);
    assert.equal(await nextOffset(pool), 7);
    assert.deepEqual(await gaps(), [
      { from: 0, to: 1, reason: 'ignored' },
      { from: 3, to: 5, reason: 'ignored' },
    ]);
    const { rows } = await pool.query(
      'SELECT log_offset, reason, value, event_id, digest, detail FROM dead_letters ORDER BY 1',
    );
    const [thrown, invalid] = rows;
    assert.deepEqual([thrown.log_offset, thrown.reason], [2, 'decode_failed']);
    assert.deepEqual(thrown.value, Buffer.from('!\u0001'));
    assert.deepEqual([thrown.event_id, thrown.digest], [null, null]);
    assert.match(thrown.detail[0].msg, /^refused !/);
    assert.deepEqual([invalid.log_offset, invalid.reason], [6, 'invalid_event']);
    assert.equal(await count(pool, 'processed_events'), 1);
    assert.equal(await count(pool, 'duplicates'), 1);
    assert.deepEqual(await contradictions(slice, decode), []);
    // A release that ignores other records than those that are listed contradicts the account.
    const found = await contradictions(slice, () => null);
    assert.ok(found.length > 0);
  });

  it('that are ignored are listed once, however batches divide them after a rewind [G3]', async (t) => {
    const { pool, context, gaps, contradictions } = await setUp(t);
    const slice = sliceOfEvents(0, ['skip', 'skip', theirs(), 'skip', 'skip', 'skip']);
    const { head, tail } = splitSlice(slice, 4);
    await processBatch(context, head);
    await processBatch(context, tail);
    await pool.query('UPDATE consumer_positions SET next_offset = 0');
    const again = splitSlice(slice, 1);
    await processBatch(context, again.head);
    await processBatch(context, again.tail);
    assert.deepEqual(await gaps(), [
      { from: 0, to: 2, reason: 'ignored' },
      { from: 3, to: 4, reason: 'ignored' },
      { from: 4, to: 6, reason: 'ignored' },
    ]);
    assert.deepEqual(await contradictions(slice, decode), []);
  });

  it('that are ignored keep their place where a batch is isolated [G3]', async (t) => {
    const { pool, context, gaps, contradictions } = await setUp(t);
    await pool.query(`ALTER TABLE processed_events ADD CHECK (user_id <> 'bad')`);
    const bad = theirs(wireEvent({ user_id: 'bad' }));
    const slice = sliceOfEvents(0, [theirs(), 'skip', bad, 'skip', theirs(), '!']);
    await processAll(context, slice);
    assert.deepEqual(
      (await gaps()).map(({ from }) => from),
      [1, 3],
    );
    assert.equal(await count(pool, 'processed_events'), 2);
    assert.equal(await count(pool, 'dead_letters'), 2);
    assert.deepEqual(await contradictions(slice, decode), []);
  });

  it('are decoded again by a redrive, with the function of that deployment [G2] [G3]', async (t) => {
    const { pool, context, redriving, place, contradictions } = await setUp(t);
    const event = wireEvent();
    const slice = sliceOfEvents(0, [`!${JSON.stringify(event)}`, '!']);
    await processBatch(context, slice);
    const outcomes = async (by: Decode, offset: number) =>
      (await redrive(redriving(by), place(offset))).map(({ outcome }) => outcome);
    assert.deepEqual(await outcomes(decode, 0), ['invalid']);
    // Parked by the first release, it is compared by its bytes, whatever a release makes of it.
    assert.deepEqual(await contradictions(slice, repaired), []);
    assert.deepEqual(await outcomes(repaired, 0), ['stored']);
    assert.deepEqual(await outcomes(repaired, 0), ['gone']);
    const edit = Buffer.from(JSON.stringify(wireEvent()));
    const [edited] = await redriveEdited(redriving(repaired), place(1), edit);
    assert.equal(edited?.outcome, 'stored');
    assert.equal(await count(pool, 'processed_events'), 2);
    assert.deepEqual(await contradictions(slice, repaired), []);
  });

  it('are not parked in masses when a faulty decode function is released [G6]', async (t) => {
    const { pool, context } = await setUp(t, 10);
    const bad = Array.from({ length: 200 }, () => '!');
    const slice = sliceOfEvents(0, bad);
    const refused = { code: 'HANDLERS_REFUSE_TOO_MUCH' };
    await assert.rejects(processBatch(context, slice), refused);
    await assert.rejects(processTogether(context, [slice]), refused);
    assert.equal(await count(pool, 'dead_letters'), 0);
    const few = sliceOfEvents(0, [
      ...bad.slice(0, 15),
      ...Array.from({ length: 50 }, () => theirs()),
    ]);
    await processBatch(context, few);
    assert.equal(await count(pool, 'dead_letters'), 15);
  });

  it('of which processes died while they were decoded are not decoded again [G2]', async (t) => {
    const { pool, context, place } = await setUp(t);
    const slice = sliceOfEvents(0, ['deadly', theirs()]);
    let isDeadly = true;
    const hook = context.rules.decode;
    const deadly = {
      ...context,
      rules: {
        ...context.rules,
        decode: {
          ...hook,
          decode: (...given: Parameters<typeof hook.decode>) => {
            if (isDeadly && String(given[0].value) === 'deadly') throw new Error('it would end');
            return hook.decode(...given);
          },
        },
      },
    };
    const range = { from: 0, to: 1 };
    // Three processes have noted it and died.
    for (let deaths = 0; deaths < 2; deaths++) await noteAttempt(pool, place(0), range);
    const noted = await noteAttempt(pool, place(0), range);
    assert.equal(await new Suspicion(deadly, noted, true).mustPark(slice), 'undecoded');
    // Had it been decoded before each death, its event would be to blame.
    isDeadly = false;
    await noteDecoded(pool, place(0));
    const suspicion = new Suspicion(deadly, { ...noted, isDecoded: true }, true);
    assert.equal(await suspicion.mustPark(slice), 'unrun');
  });
});
