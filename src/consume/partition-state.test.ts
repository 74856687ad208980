/** What is logged and written of a partition's state, and how often; with a fake PostgreSQL. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { FakePool, sqlError } from '../../test/support/fake-pool.ts';
import { until } from '../../test/support/until.ts';
import { PartitionState } from './partition-state.ts';

const TROUBLE = { code: 'HANDLER_FAILS', message: 'no', from: 3, to: 3 } as const;

function setUp(options: { hidesMessages?: boolean } = {}) {
  const pool = new FakePool();
  const lines: string[] = [];
  const clock = { ms: 0 };
  const ended = new AbortController();
  const state = new PartitionState({
    pool: pool.asPool(),
    topic: 'order_events',
    owner: 'test',
    partition: 3,
    logger: pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line).msg) }),
    signal: ended.signal,
    now: () => clock.ms,
    ...options,
  });
  const written = () => pool.statements.map((text) => text.trim().split(' ')[0]);
  return { pool, state, lines, clock, written, ended };
}

describe('PartitionState', () => {
  it('says and writes nothing while it runs, and little for a failure that passes', async () => {
    const { state, lines, written } = setUp();
    state.moved();
    state.run();
    state.retry(TROUBLE);
    state.moved();
    state.run();
    await state.settled();
    assert.deepEqual(lines, ['Partition retries', 'Partition runs again']);
    assert.deepEqual(written(), []);
  });

  it('says each change once, reminds once a minute, and writes once in half a minute [G10]', async () => {
    const { state, lines, clock, written } = setUp();
    for (; clock.ms < 125_000; clock.ms += 1000) {
      state.retry(TROUBLE);
      await state.settled();
    }
    assert.deepEqual(lines, [
      'Partition retries',
      'Partition still retries',
      'Partition still retries',
    ]);
    assert.equal(written().length, 5);
    assert.equal(state.record.attempts, 125);
    assert.equal(state.record.since.getTime(), 0);
    state.retry({ ...TROUBLE, code: 'DATABASE_UNAVAILABLE' });
    assert.equal(state.record.since.getTime(), 0, 'the same trouble under another code');
    state.moved();
    state.run();
    await state.settled();
    assert.equal(written().at(-1), 'DELETE');
    assert.equal(lines.at(-1), 'Partition runs again');
    state.retry(TROUBLE);
    assert.equal(state.record.since.getTime(), 125_000);
  });

  it('writes as soon as it can where PostgreSQL was away', async () => {
    const { pool, state, written } = setUp();
    pool.script = [['INSERT', () => sqlError('57P03', 'starting up')]];
    for (let tries = 0; tries < 3; tries++) {
      state.retry(TROUBLE);
      await state.settled();
    }
    assert.deepEqual(written(), ['INSERT', 'INSERT']);
    pool.script = [];
    state.retry(TROUBLE);
    state.retry(TROUBLE);
    await state.settled();
    assert.deepEqual(written(), ['INSERT', 'INSERT', 'INSERT']);
  });

  it('writes that it stopped while PostgreSQL was away, although nothing else happens any more', async () => {
    const { pool, state, written, ended } = setUp();
    pool.script = [['INSERT', () => sqlError('57P03', 'starting up')]];
    state.stop(TROUBLE);
    await until('a second attempt', async () => written().length === 2);
    pool.script = [];
    await until('it is written', async () => written().length === 3);
    ended.abort();
    await state.settled();
  });

  it('does not repeat a failed write once the partition was given up', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { pool, state, written, ended } = setUp();
    pool.script = [['INSERT', () => sqlError('57P03', 'starting up')]];
    ended.abort();
    state.stop(TROUBLE);
    await state.settled();
    t.mock.timers.tick(60_000);
    await state.settled();
    assert.deepEqual(written(), ['INSERT']);
  });

  it('keeps what a handler said to the log, where keys of the role read see no payloads', async () => {
    const { pool, state, lines } = setUp({ hidesMessages: true });
    const written: unknown[] = [];
    const note = (values: unknown[]) => {
      written.push(...values);
      return {};
    };
    pool.script = [['INSERT', note]];
    state.retry(TROUBLE);
    state.retry({ ...TROUBLE, message: 'refused user-7' });
    await state.settled();
    assert.equal(state.record.reason, 'HANDLER_FAILS: see the log of test');
    assert.match(JSON.stringify(written), /see the log of test/);
    assert.doesNotMatch(JSON.stringify(written), /user-7/);
    assert.deepEqual(lines, ['Partition retries']);
  });

  it('never leaves stopped', () => {
    const { state } = setUp();
    state.stop({ ...TROUBLE, code: 'LOG_RECREATED' });
    state.run();
    state.retry(TROUBLE);
    assert.deepEqual([state.record.state, state.record.code], ['stopped', 'LOG_RECREATED']);
  });
});
