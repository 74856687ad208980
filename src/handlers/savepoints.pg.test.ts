/** What a handler does beside a savepoint is never undone without a word, nor is its effect half. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, processAll, setUpHeart } from '../../test/support/heart.ts';
import type { HandledEvent, HandlerTransaction } from './handler.ts';

type Act = (tx: HandlerTransaction, event: HandledEvent) => unknown;

const write = (tx: HandlerTransaction) => tx.query('INSERT INTO effects VALUES (1)');
const fail = (tx: HandlerTransaction) => tx.query('SELECT 1/0');
const ignored = () => {};

/** Handles one event. @returns why it was parked, if it was; its effects; its messages. */
async function handleOne(t: TestContext, act: Act) {
  const { pool, context } = await setUpHeart(t);
  await pool.query('CREATE TABLE effects (n int)');
  const handlers = [
    {
      name: 'rogue',
      handle: async (events: readonly HandledEvent[], tx: HandlerTransaction) => {
        const event = events.find(({ totalAmount }) => totalAmount === '666.0000');
        if (event !== undefined) await act(tx, event);
      },
    },
  ];
  const set = { handlers, timeoutMs: 2000, attemptsMax: 1 };
  const event = wireEvent({ total_amount: '666' });
  await processAll({ ...context, handlers: set }, sliceOfEvents(0, [wireEvent(), event]));
  const { rows } = await pool.query(`SELECT detail ->> 'message' AS message FROM dead_letters`);
  return {
    message: rows[0]?.message as string | undefined,
    effects: await count(pool, 'effects'),
    messages: await count(pool, 'outbox'),
  };
}

const BESIDE: Readonly<Record<string, Act>> = {
  'a statement beside a savepoint that fails': (tx) =>
    Promise.all([tx.savepoint(async () => await fail(tx)).catch(ignored), write(tx)]),
  'a statement that comes while a savepoint waits': async (tx) => {
    const undone = tx.savepoint(async () => {
      await tx.query('SELECT pg_sleep(0.05)');
      await fail(tx);
    });
    await pause(10);
    await write(tx).catch(ignored);
    await undone.catch(ignored);
  },
  'two savepoints at once': (tx) =>
    Promise.all([tx.savepoint(() => write(tx)), tx.savepoint(() => write(tx))]),
  'a savepoint in another one that does not await it': (tx) =>
    tx.savepoint(async () => void tx.savepoint(() => write(tx))),
  'a statement of a savepoint that has failed': async (tx) => {
    const late = Promise.withResolvers<unknown>();
    const undone = tx.savepoint(async () => {
      setTimeout(() => write(tx).then(late.resolve, late.resolve), 20);
      throw new Error('undo it');
    });
    await undone.catch(ignored);
    await late.promise;
  },
  'a message beside a savepoint that fails': async (tx, event) => {
    const undone = tx.savepoint(async () => await fail(tx));
    try {
      tx.emit(event, { topic: 'out', key: 'k', value: 'v' });
    } catch {}
    await undone.catch(ignored);
  },
};

describe('A handler that does not await a savepoint', () => {
  for (const [what, act] of Object.entries(BESIDE)) {
    it(`is refused, by name: ${what} [G2]`, async (t) => {
      const { message, effects, messages } = await handleOne(t, act);
      assert.match(
        message ?? 'It was stored',
        /^Handler "rogue": .*: await every tx\.query\(\) and/,
      );
      assert.deepEqual([effects, messages], [0, 0]);
    });
  }
});

describe('A handler may', () => {
  const allowed: Readonly<Record<string, Act>> = {
    'nest savepoints, one of which fails': (tx) =>
      tx.savepoint(async () => {
        await write(tx);
        const inner = async () => {
          await write(tx);
          await fail(tx);
        };
        await tx.savepoint(inner).catch(ignored);
        await tx.savepoint(async () => await write(tx));
      }),
    'send several statements at once in a savepoint': (tx) =>
      tx.savepoint(() => Promise.all([write(tx), write(tx)])),
    'continue in callbacks and timers': (tx) =>
      tx.savepoint(async () => {
        await write(tx);
        await new Promise((resolve) => setTimeout(() => write(tx).then(resolve), 5));
      }),
  };
  for (const [what, act] of Object.entries(allowed)) {
    it(`${what} [G2]`, async (t) => {
      assert.deepEqual(await handleOne(t, act), { message: undefined, effects: 2, messages: 0 });
    });
  }
});
