import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { FakeLog } from '../../test/support/fake-log.ts';
import type { OrderonceError } from '../errors.ts';
import { AppendQueue, type AppendQueueOptions } from './append-queue.ts';

const OPTIONS = { deadlineMs: 1000, itemsMax: 100, batchItemsMax: 10, batchBytesMax: 1000 };

/** A queue with a clock that only the test advances. */
function setUp(t: TestContext, options: Partial<AppendQueueOptions> = {}) {
  const log = new FakeLog();
  const clock = { ms: 0 };
  const queue = new AppendQueue(log, { ...OPTIONS, ...options, now: () => clock.ms });
  t.after(async () => {
    log.isAutomatic = true;
    log.pending[0]?.acknowledge();
    await queue.drain();
  });
  const verdicts: string[] = [];
  const append = (value: string) => {
    const record = { key: Buffer.from('k'), value: Buffer.from(value) };
    queue.append(record).then(
      ({ offset }) => verdicts.push(`${value} ${offset}`),
      (error: OrderonceError) => verdicts.push(`${value} ${error.code}`),
    );
  };
  const pass = async (ms: number) => {
    clock.ms += ms;
    queue.expire();
    await nextTurn();
  };
  return { log, queue, append, pass, verdicts, clock };
}

describe('AppendQueue', () => {
  it('sends what arrives during an append together in the next one, in order [G5]', async (t) => {
    const { log, append, verdicts } = setUp(t);
    append('a');
    await nextTurn();
    for (const value of ['b', 'c', 'd']) append(value);
    assert.deepEqual(
      log.pending.map(({ values }) => values),
      [['a']],
    );
    log.pending[0]?.acknowledge();
    await nextTurn();
    assert.deepEqual(log.pending[0]?.values, ['b', 'c', 'd']);
    log.pending[0]?.acknowledge();
    await nextTurn();
    assert.deepEqual(verdicts, ['a 0', 'b 1', 'c 2', 'd 3']);
  });

  it('answers nothing before the log has acknowledged [G1]', async (t) => {
    const { append, pass, verdicts } = setUp(t);
    append('a');
    await pass(900);
    assert.deepEqual(verdicts, []);
  });

  it('withdraws at its deadline what was not sent: it is never appended [G9]', async (t) => {
    const { log, append, pass, verdicts } = setUp(t);
    append('a');
    await pass(500);
    append('b');
    await pass(600);
    assert.deepEqual(verdicts, ['a LOG_NOT_ACKNOWLEDGED']);
    await pass(500);
    assert.deepEqual(verdicts, ['a LOG_NOT_ACKNOWLEDGED', 'b LOG_NOT_ACKNOWLEDGED']);
    log.pending[0]?.acknowledge();
    await nextTurn();
    assert.deepEqual(log.appended, ['a']);
  });

  it('withdraws also what ran out just before the append ahead of it was acknowledged [G9]', async (t) => {
    const { log, append, pass, verdicts, clock } = setUp(t);
    append('a');
    await nextTurn();
    await pass(10);
    append('b');
    // expire() has not been called since.
    clock.ms = 1020;
    log.pending[0]?.acknowledge();
    await nextTurn();
    assert.deepEqual(log.appended, ['a']);
    assert.deepEqual(verdicts.toSorted(), ['a 0', 'b LOG_NOT_ACKNOWLEDGED']);
  });

  it('sends nothing more until an overdue append resolves, answers at once meanwhile, and recovers [G9] [G10]', async (t) => {
    const { log, queue, append, pass, verdicts } = setUp(t);
    append('a');
    await nextTurn();
    await pass(1100);
    append('b');
    await nextTurn();
    assert.deepEqual(verdicts, ['a LOG_NOT_ACKNOWLEDGED', 'b LOG_NOT_ACKNOWLEDGED']);
    assert.match(queue.troubles.get(0) ?? '', /does not acknowledge an append under way/);
    log.pending[0]?.acknowledge();
    await nextTurn();
    append('c');
    await nextTurn();
    assert.equal(queue.troubles.size, 0);
    assert.deepEqual(log.pending[0]?.values, ['c']);
  });

  it('says "unknown" for each event of a failed append, and takes new ones', async (t) => {
    const { log, queue, append, verdicts } = setUp(t);
    append('a');
    append('b');
    await nextTurn();
    log.pending[0]?.fail(new Error('broken pipe'));
    await nextTurn();
    assert.deepEqual(verdicts, ['a LOG_NOT_ACKNOWLEDGED', 'b LOG_NOT_ACKNOWLEDGED']);
    assert.match(queue.troubles.get(0) ?? '', /broken pipe/);
    append('c');
    await nextTurn();
    log.pending[0]?.acknowledge();
    await nextTurn();
    assert.deepEqual([verdicts.at(-1), queue.troubles.size], ['c 0', 0]);
  });

  it('refuses more than it may hold [G10]', async (t) => {
    const { log, append, verdicts } = setUp(t, { itemsMax: 3 });
    for (const value of ['a', 'b', 'c', 'd']) append(value);
    await nextTurn();
    assert.deepEqual(verdicts, ['d QUEUE_FULL']);
    log.pending[0]?.acknowledge();
    await nextTurn();
    append('e');
    await nextTurn();
    assert.deepEqual(log.appended, ['a', 'b', 'c', 'e']);
  });

  it('gives a lane that is held up no more than its share: the others keep accepting events [G10]', async (t) => {
    const { log, queue, pass } = setUp(t, { itemsMax: 6 });
    log.lanes = 3;
    const verdicts: string[] = [];
    const append = (key: string) => {
      queue.append({ key: Buffer.from(key), value: Buffer.from(key) }).then(
        () => verdicts.push(key),
        (error: OrderonceError) => verdicts.push(`${key} ${error.code}`),
      );
    };
    append('k1');
    await nextTurn();
    await pass(600);
    for (const key of ['k1', 'k1', 'k1', 'k0', 'k0', 'k2']) append(key);
    await nextTurn();
    assert.deepEqual(verdicts, ['k1 QUEUE_FULL', 'k1 QUEUE_FULL']);
    for (const pending of [...log.pending]) pending.acknowledge();
    await nextTurn();
    assert.equal(verdicts.filter((verdict) => !verdict.includes(' ')).length, 4);
  });

  it('keeps batches within count and bytes, but sends one that is larger alone [G10]', async (t) => {
    const { log, append } = setUp(t, { batchItemsMax: 3, batchBytesMax: 100 });
    log.isAutomatic = true;
    const sizes: number[] = [];
    const original = log.append.bind(log);
    log.append = (records) => {
      sizes.push(records.length);
      return original(records);
    };
    for (const length of [1, 1, 1, 1, 60, 60, 300, 1]) append('x'.repeat(length));
    await nextTurn();
    await nextTurn();
    assert.deepEqual(sizes, [3, 2, 1, 1, 1]);
  });

  it('drains: refuses new events, finishes those it has', async (t) => {
    const { log, queue, append, verdicts } = setUp(t);
    append('a');
    await nextTurn();
    append('b');
    const drained = queue.drain();
    append('late');
    log.isAutomatic = true;
    log.pending[0]?.acknowledge();
    await drained;
    assert.deepEqual(verdicts, ['late DRAINING', 'a 0', 'b 1']);
  });

  it('answers each event exactly once, whatever happens when; acknowledged ones lie in the log in order [G1] [G9]', async (t) => {
    const step = fc.oneof(
      fc.constant('append' as const),
      fc.constantFrom('acknowledge' as const, 'fail' as const),
      fc.constantFrom(50, 400, 1100),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { log, append, pass, verdicts } = setUp(t, { itemsMax: 8, batchItemsMax: 3 });
        let sent = 0;
        for (const action of steps) {
          if (action === 'append') append(`${sent++}`);
          else if (action === 'acknowledge') log.pending[0]?.acknowledge();
          else if (action === 'fail') log.pending[0]?.fail(new Error('broken'));
          else await pass(action);
          await nextTurn();
        }
        while (log.pending.length > 0) {
          log.pending[0]?.acknowledge();
          await nextTurn();
        }
        const ids = verdicts.map((verdict) => Number(verdict.split(' ')[0]));
        assert.deepEqual(
          [...ids].sort((a, b) => a - b),
          [...Array(sent).keys()],
        );
        const accepted = verdicts.filter((verdict) => /^\d+ \d+$/.test(verdict));
        for (const verdict of accepted)
          assert.ok(log.appended.includes(verdict.split(' ')[0] ?? ''));
        assert.deepEqual(
          log.appended,
          [...log.appended].sort((a, b) => Number(a) - Number(b)),
        );
        const refused = verdicts.filter((verdict) => verdict.endsWith('QUEUE_FULL'));
        for (const verdict of refused)
          assert.ok(!log.appended.includes(verdict.split(' ')[0] ?? ''));
      }),
      { numRuns: 200 },
    );
  });
});
