/** Handlers in the batch transaction on a real PostgreSQL: what they may do, and cannot break. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, nextOffset, processAll, setUpHeart } from '../../test/support/heart.ts';
import { ParkGuard } from '../inbox/park-guard.ts';
import { processBatch, processSuspect } from '../inbox/process-batch.ts';
import {
  forEachEvent,
  type HandledEvent,
  type Handler,
  type HandlerTransaction,
  TerminalError,
} from './handler.ts';

/** A context with these handlers, and a table `ledger` for them: one row per event. */
async function setUp(t: TestContext, handlers: Handler[], attemptsMax = 2) {
  const { pool, context } = await setUpHeart(t);
  await pool.query('CREATE TABLE ledger (event_id uuid PRIMARY KEY, amount numeric NOT NULL)');
  const set = { handlers, timeoutMs: 300, attemptsMax };
  return { pool, context: { ...context, handlers: set } };
}

const charge = async (events: readonly HandledEvent[], tx: HandlerTransaction) => {
  await tx.query(
    'INSERT INTO ledger (event_id, amount) SELECT * FROM unnest($1::uuid[], $2::numeric[])',
    [events.map(({ eventId }) => eventId), events.map(({ totalAmount }) => totalAmount)],
  );
};

/** A handler that charges, but calls `fail` if an event has the amount 666. */
const chargeUnless = (fail: (tx: HandlerTransaction) => unknown): Handler => ({
  name: 'charge',
  handle: async (events, tx) => {
    if (events.some(({ totalAmount }) => totalAmount === '666.0000')) await fail(tx);
    await charge(events, tx);
  },
});

const poison = () => wireEvent({ total_amount: '666' });
const good = (n: number) => Array.from({ length: n }, () => wireEvent());

describe('Handlers', () => {
  it('see what was stored, in log order, and take effect with it [G2] [G5]', async (t) => {
    const seen: string[] = [];
    const handler: Handler = {
      name: 'charge',
      handle: async (events, tx) => {
        seen.push(...events.map(({ eventId }) => eventId));
        await charge(events, tx);
      },
    };
    const { pool, context } = await setUp(t, [handler]);
    const [a, b] = good(2) as [ReturnType<typeof wireEvent>, ReturnType<typeof wireEvent>];
    await processBatch(context, sliceOfEvents(0, [b, a, b, { ...a, user_id: 'x' }, 'garbage']));
    await processBatch(context, sliceOfEvents(5, [a, b]));
    assert.deepEqual(seen, [b.event_id, a.event_id]);
    assert.equal(await count(pool, 'ledger'), 2);
  });

  it('one bad event among 1,000 is parked in about 2·log2 n attempts, its neighbours are kept [G3] [G6]', async (t) => {
    let calls = 0;
    const handler = chargeUnless(() => {
      throw new TerminalError('no such customer');
    });
    const counted: Handler = {
      name: 'charge',
      handle: async (events, tx) => {
        calls++;
        await handler.handle(events, tx);
      },
    };
    const { pool, context } = await setUp(t, [counted]);
    const events = good(1000);
    events[617] = poison();
    await processAll(context, sliceOfEvents(0, events));
    assert.ok(calls <= 2 * Math.log2(1000) + 4, `${calls} attempts`);
    assert.equal(await count(pool, 'processed_events'), 999);
    assert.equal(await count(pool, 'ledger'), 999);
    const { rows } = await pool.query('SELECT log_offset, state, reason, detail FROM dead_letters');
    assert.deepEqual(rows, [
      {
        log_offset: 617,
        state: 'parked',
        reason: 'refused_by_handler',
        detail: { message: 'Handler "charge": no such customer' },
      },
    ]);
  });

  it('a deferred constraint refuses the guilty event alone, and still defers for the others [G3]', async (t) => {
    const handler: Handler = {
      name: 'child first',
      handle: async (events, tx) => {
        const ids = events.map(({ eventId }) => eventId);
        const parents = events.filter((e) => e.totalAmount !== '666.0000').map((e) => e.eventId);
        await tx.query('INSERT INTO child SELECT unnest($1::uuid[])', [ids]);
        await tx.query('INSERT INTO parent SELECT unnest($1::uuid[])', [parents]);
      },
    };
    const { pool, context } = await setUp(t, [handler]);
    await pool.query(`CREATE TABLE parent (id uuid PRIMARY KEY);
      CREATE TABLE child (id uuid REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`);
    await processAll(context, sliceOfEvents(0, [...good(6), poison(), ...good(6)]));
    assert.equal(await count(pool, 'child'), 12);
    const { rows } = await pool.query('SELECT log_offset, sqlstate FROM dead_letters');
    assert.deepEqual(rows, [{ log_offset: 6, sqlstate: '23503' }]);
  });

  it('an event that fails alone for an unknown reason is held, then parked while others succeed [G6]', async (t) => {
    const handler = chargeUnless(() => {
      throw new TypeError('undefined is not a function');
    });
    const { pool, context } = await setUp(t, [handler]);
    const events = [...good(2), poison(), ...good(2)];
    const first = await processBatch(context, sliceOfEvents(0, events));
    assert.deepEqual([first.next, first.held?.offset, first.stored], [2, 2, 2]);
    assert.match(first.held?.reason ?? '', /undefined is not a function/);
    const rest = sliceOfEvents(2, events.slice(2));
    const second = await processSuspect(context, rest, null);
    assert.deepEqual([second.next, second.held?.attempts], [2, 1]);
    const suspect = { from: 2, attempts: 1, othersSucceed: false };
    const third = await processSuspect(context, rest, suspect);
    assert.deepEqual([third.next, third.held, third.stored], [3, undefined, 0]);
    const { rows } = await pool.query('SELECT reason, attempts FROM dead_letters');
    assert.deepEqual(rows, [{ reason: 'keeps_failing', attempts: 2 }]);
    await processAll(context, sliceOfEvents(3, events.slice(3)));
    assert.equal(await count(pool, 'ledger'), 4);
  });

  it('when all events fail it is an outage, however often: no attempt counts [G6]', async (t) => {
    let isBroken = true;
    const handler: Handler = {
      name: 'charge',
      handle: async (events, tx) => {
        if (isBroken) throw new Error('bad deploy');
        await charge(events, tx);
      },
    };
    const { pool, context } = await setUp(t, [handler], 1);
    const slice = sliceOfEvents(0, good(8));
    assert.equal((await processBatch(context, slice)).held?.offset, 0);
    for (let tries = 0; tries < 6; tries++) {
      const { next, held } = await processSuspect(context, slice, null);
      assert.deepEqual([next, held?.attempts, held?.isConfirmed], [0, 0, false]);
    }
    isBroken = false;
    assert.equal((await processSuspect(context, slice, null)).stored, 1);
    assert.equal((await processBatch(context, sliceOfEvents(1, good(7)))).stored, 7);
    assert.equal(await count(pool, 'dead_letters'), 0);
  });

  it('a deploy that refuses half of all events parks nothing, and says so [G6]', async (t) => {
    const handler = chargeUnless(() => {
      throw new TerminalError('half of them');
    });
    const { pool, context } = await setUp(t, [handler]);
    const guarded = { ...context, parkGuard: new ParkGuard(10) };
    const events = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? poison() : wireEvent()));
    let next = 0;
    const pausing = (async () => {
      while (next < 400) {
        const slice = sliceOfEvents(next, events.slice(next));
        next = (await processBatch(guarded, slice)).next;
      }
    })();
    await assert.rejects(pausing, { code: 'HANDLERS_REFUSE_TOO_MUCH', message: /faulty version/ });
    assert.ok((await count(pool, 'dead_letters')) <= 100);
  });

  it('an SQL error that a handler swallows, or does not wait for, fails the batch [G2]', async (t) => {
    for (const swallow of [
      (tx: HandlerTransaction) => tx.query('SELECT 1/0').catch(() => {}),
      (tx: HandlerTransaction) => void tx.query('SELECT 1/0').catch(() => {}),
    ]) {
      const { pool, context } = await setUp(t, [chargeUnless(swallow)]);
      await processAll(context, sliceOfEvents(0, [wireEvent(), poison(), wireEvent()]));
      assert.equal(await count(pool, 'ledger'), 2);
      const { rows } = await pool.query('SELECT log_offset, sqlstate FROM dead_letters');
      assert.deepEqual(rows, [{ log_offset: 1, sqlstate: '22012' }]);
    }
  });

  it('an expected SQL error inside a savepoint undoes only what was in it', async (t) => {
    const handler = chargeUnless(async (tx) => {
      await tx
        .savepoint(async () => {
          await tx.query('INSERT INTO ledger VALUES (gen_random_uuid(), 1)');
          await tx.query('SELECT 1/0');
        })
        .catch(() => {});
    });
    const { pool, context } = await setUp(t, [handler]);
    await processBatch(context, sliceOfEvents(0, [poison(), wireEvent()]));
    assert.equal(await count(pool, 'ledger'), 2);
  });

  it('cannot end the transaction, nor begin one, nor change its limits [G2] [G7]', async (t) => {
    const refused: string[] = [];
    const statements = [
      'COMMIT',
      ' /* a */ -- b\n commit',
      'rollback',
      'BEGIN',
      'END',
      'SAVEPOINT x',
      'SET statement_timeout = 0',
      'SELECT 1; COMMIT',
      'DO $$ BEGIN COMMIT; END $$',
      ';COMMIT',
      ' ; ; ROLLBACK',
      '--x\rCOMMIT',
      '/* a /* b */ c */ COMMIT AND CHAIN',
      '--\rROLLBACK TO SAVEPOINT attempt',
      `--\rPREPARE TRANSACTION 'x'`,
    ];
    const handler: Handler = {
      name: 'rogue',
      handle: async (events, tx) => {
        for (const statement of statements) {
          await tx.savepoint(() => tx.query(statement)).catch(() => refused.push(statement));
        }
        await charge(events, tx);
      },
    };
    const { pool, context } = await setUp(t, [handler]);
    await processBatch(context, sliceOfEvents(0, good(2)));
    assert.deepEqual(refused, statements);
    assert.deepEqual([await count(pool, 'ledger'), await nextOffset(pool)], [2, 2]);
  });

  it('one that never ends is given up, its event parked in the end, and its door stays shut [G6] [G10]', async (t) => {
    let door: HandlerTransaction | undefined;
    const handler = chargeUnless((tx) => {
      door = tx;
      return new Promise(() => {});
    });
    const { pool, context } = await setUp(t, [handler], 1);
    await processAll(context, sliceOfEvents(0, [wireEvent(), poison(), wireEvent()]));
    assert.equal(await count(pool, 'ledger'), 2);
    const { rows } = await pool.query('SELECT log_offset, reason, detail FROM dead_letters');
    assert.deepEqual(rows[0].detail, {
      message: 'Handler "charge": It did not finish within 300 ms',
    });
    await assert.rejects(async () => await door?.query('SELECT 1'), /has ended/);
  });

  it('run over the rest of a parked order only once it is released [G5]', async (t) => {
    const handler = chargeUnless(() => {
      throw new TerminalError('no');
    });
    const { pool, context } = await setUp(t, [handler]);
    const order_id = randomUUID();
    const events = [
      wireEvent(),
      wireEvent({ order_id, total_amount: '666' }),
      wireEvent({ order_id }),
    ];
    await processAll(context, sliceOfEvents(0, events));
    await processAll(context, sliceOfEvents(3, [wireEvent({ order_id })]));
    assert.equal(await count(pool, 'ledger'), 1);
    const { rows } = await pool.query('SELECT state FROM dead_letters ORDER BY log_offset');
    assert.deepEqual(
      rows.map(({ state }) => state),
      ['parked', 'waiting', 'waiting'],
    );
  });

  it('the per-event form runs in log order', async (t) => {
    const seen: number[] = [];
    const handler = forEachEvent('each', async ({ offset }) => void seen.push(offset));
    const { context } = await setUp(t, [handler]);
    await processBatch(context, sliceOfEvents(0, good(5)));
    assert.deepEqual(seen, [0, 1, 2, 3, 4]);
  });
});
