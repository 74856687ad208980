/**
 * The statements of the batch transaction, their order, and when it rolls back; without PostgreSQL.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import {
  eventsToInsert,
  FakePool,
  inserted,
  type Script,
  sqlError,
} from '../../test/support/fake-pool.ts';
import { contextOf } from '../../test/support/heart.ts';
import { processBatch } from './process-batch.ts';

const MOVED = { rows: [{ partition: 0, any_claims: false }] };

/** Answers as if every event were new and every statement succeeded; `more` takes precedence. */
function setUp(...more: Script) {
  const allInserted = (values: unknown[]) => inserted(eventsToInsert(values).length);
  const pool = new FakePool([
    ...more,
    ['UPDATE consumer_positions', () => MOVED],
    ['INSERT INTO processed_events', allInserted],
  ]);
  const limits = { lockMs: 1000, statementMs: 2000, idleMs: 1500 };
  const context = { ...contextOf(pool.asPool()), limits };
  const orderOf = (...words: string[]) =>
    words.map((word) => pool.statements.findIndex((text) => text.includes(word)));
  return { pool, context, orderOf };
}

describe('processBatch, statement by statement', () => {
  it('moves the position first, then inserts, then commits; limits go with the transaction [G7]', async () => {
    const { pool, context, orderOf } = setUp();
    const outcome = await processBatch(context, sliceOfEvents(5, [wireEvent(), wireEvent()]));
    assert.deepEqual([outcome.stored, outcome.next], [2, 7]);
    assert.match(pool.statements[0] ?? '', /^BEGIN ISOLATION LEVEL READ COMMITTED/);
    for (const limit of [
      'lock_timeout = 1000',
      'statement_timeout = 2000',
      'idle_in_transaction_session_timeout = 1500',
      'synchronous_commit = on',
    ]) {
      assert.ok(pool.statements[0]?.includes(limit), limit);
    }
    const order = orderOf('UPDATE consumer_positions', 'INSERT INTO processed_events');
    assert.deepEqual([...order, pool.statements[3]], [1, 2, 'COMMIT']);
    assert.deepEqual(pool.released, [false]);
  });

  it('classifies what the insert did not take in a later statement [G3]', async () => {
    const event = wireEvent();
    const { context, orderOf } = setUp(
      ['INSERT INTO processed_events', () => inserted(0)],
      [
        'FROM processed_events WHERE event_id = ANY',
        () => ({
          rows: [
            {
              eventId: event.event_id,
              digest: 'ff',
              requestId: null,
              logId: 1,
              partition: 4,
              offset: 0,
            },
          ],
        }),
      ],
      ['INSERT INTO conflicts', () => ({ rowCount: 1 })],
    );
    const outcome = await processBatch(context, sliceOfEvents(0, [event]));
    assert.equal(outcome.conflicts.length, 1);
    const [insert, look, write] = orderOf(
      'INSERT INTO processed',
      'WHERE event_id = ANY',
      'INTO conf',
    );
    assert.ok((insert ?? 0) < (look ?? 0) && (look ?? 0) < (write ?? 0));
  });

  it('refuses a COMMIT that PostgreSQL answers with ROLLBACK [G2]', async () => {
    const { context } = setUp(['COMMIT', () => ({ command: 'ROLLBACK' })]);
    const batch = processBatch(context, sliceOfEvents(0, [wireEvent()]));
    await assert.rejects(batch, { code: 'COMMIT_ROLLED_BACK' });
  });

  it('rolls back where rows and records do not add up [G3]', async () => {
    const { pool, context } = setUp(['INSERT INTO dead_letters', () => ({ rowCount: 1 })]);
    const batch = processBatch(context, sliceOfEvents(0, ['garbage', 'more garbage']));
    await assert.rejects(batch, { code: 'OUTCOMES_DO_NOT_ADD_UP', message: /2 records have 1/ });
    assert.equal(pool.statements.at(-1), 'ROLLBACK');
  });

  it('rolls back where an id is neither new nor taken [G3]', async () => {
    const { pool, context } = setUp(['INSERT INTO processed_events', () => inserted(0)]);
    const batch = processBatch(context, sliceOfEvents(0, [wireEvent()]));
    await assert.rejects(batch, { code: 'OUTCOMES_DO_NOT_ADD_UP' });
    assert.equal(pool.statements.at(-1), 'ROLLBACK');
  });

  it('writes nothing once the position is elsewhere [G7]', async () => {
    const { pool, context } = setUp(['UPDATE consumer_positions', () => ({ rows: [] })]);
    const batch = processBatch(context, sliceOfEvents(0, [wireEvent()]));
    await assert.rejects(batch, { code: 'POSITION_MOVED' });
    assert.equal(pool.statements.length, 3);
    assert.equal(pool.statements.at(-1), 'ROLLBACK');
  });

  for (const state of [
    '40001',
    '40P01',
    '53100',
    '53300',
    '55P03',
    '57014',
    '25006',
    '42P01',
    'XX000',
  ]) {
    it(`leaves SQLSTATE ${state} to be tried again: nothing is parked [G6]`, async () => {
      const { pool, context } = setUp(['INSERT INTO processed_events', () => sqlError(state)]);
      const batch = processBatch(context, sliceOfEvents(0, [wireEvent()]));
      await assert.rejects(batch, { code: state });
      assert.ok(!pool.statements.some((text) => /SAVEPOINT|dead_letters \(/.test(text)));
    });
  }

  it('throws a connection away that broke, was ended, or cannot roll back', async () => {
    const broken = Object.assign(new Error('read ECONNRESET'), { syscall: 'read' });
    for (const [error, isThrownAway] of [
      [sqlError('40001'), false],
      [sqlError('57P01'), true],
      [broken, true],
      [new Error('Connection terminated unexpectedly'), true],
    ] as const) {
      const { pool, context } = setUp(['INSERT INTO processed_events', () => error]);
      await assert.rejects(processBatch(context, sliceOfEvents(0, [wireEvent()])));
      assert.deepEqual(pool.released, [isThrownAway], error.message);
    }
    const { pool, context } = setUp(
      ['INSERT INTO processed_events', () => sqlError('40001')],
      ['ROLLBACK', () => new Error('gone')],
    );
    await assert.rejects(processBatch(context, sliceOfEvents(0, [wireEvent()])));
    assert.deepEqual(pool.released, [true]);
  });
});
