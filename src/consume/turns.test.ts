/** When turns begin, and which run at the same time; without a database. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { FakePool } from '../../test/support/fake-pool.ts';
import { contextOf } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { type Moved, type Turn, Turns } from './turns.ts';

/** A fake PostgreSQL in which no position matches, so that every shared transaction fails. */
const pool = new FakePool();
const context = contextOf(pool.asPool());

type TurnSpec = {
  share?: Turn['share'];
  records?: number;
  logId?: number;
  takes?: number;
  /** Where the position is after the turn; it begins at 0. */
  next?: number;
};

/**
 * Turns that the test ends. `begun`: those that began in a transaction of their own, in order;
 * `back`: those whose records were put back.
 */
function setUp(connections: number) {
  pool.statements.length = 0;
  const commits: number[] = [];
  const onCommitted = (moved: readonly Moved[]) => commits.push(...moved.map(({ next }) => next));
  const turns = new Turns({ connections, batchMax: 100 });
  const begun: string[] = [];
  const back: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  let atBegin = () => {};
  const start = (name: string, spec: TurnSpec = {}) => {
    const { share = 'apart', records = 1, logId = 1, takes = Number.POSITIVE_INFINITY } = spec;
    const { next = 100 } = spec;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    ends.set(name, (error) => (error === undefined ? resolve() : reject(error)));
    let taken = 0;
    const events = Array.from({ length: records }, () => wireEvent());
    const carried = turns.carryOut({
      context: { ...context, logId },
      share,
      buffer: {
        size: { records, bytes: 0 },
        take: () => (++taken > takes ? null : sliceOfEvents(0, events, ends.size)),
        putBack: () => void back.push(name),
      },
      recordsMax: 100,
      signal: new AbortController().signal,
      onCommitted,
      process: async () => {
        begun.push(name);
        atBegin();
        atBegin = () => {};
        await promise;
        return {
          stored: 0,
          storedRecords: [],
          duplicates: [],
          conflicts: [],
          deadLetters: [],
          next,
        };
      },
    });
    return carried;
  };
  const end = (...names: string[]) => {
    for (const name of names) ends.get(name)?.();
  };
  const fail = (name: string) => ends.get(name)?.(new Error('failed'));
  const has = (...names: string[]) =>
    until(`${names} began`, () => begun.join() === names.join() || undefined);
  /** How many shared transactions were tried. */
  const shared = () => pool.statements.filter((text) => text.startsWith('BEGIN')).length;
  /** The result of `ask` at the moment when the next turn begins. */
  const onBegin = <T>(ask: () => T) =>
    new Promise<T>((resolve) => {
      atBegin = () => resolve(ask());
    });
  return { turns, start, end, fail, has, onBegin, begun, back, shared, commits };
}

/** Lets all promises settle that need no timer. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe('Turns alone', () => {
  it('begin on as many connections as there are, the others in turn, also after a failure [G10]', async () => {
    const { start, end, fail, has } = setUp(2);
    const first = start('a');
    for (const name of ['b', 'c', 'd']) void start(name);
    await has('a', 'b');
    fail('a');
    const carriedOut = await first;
    assert.ok(carriedOut !== null && 'failure' in carriedOut);
    assert.match(String(carriedOut.failure), /failed/);
    await has('a', 'b', 'c');
    end('b', 'c');
    await has('a', 'b', 'c', 'd');
    end('d');
  });

  it('run alone where they must: wait for those inside, and let nobody in beside', async () => {
    const { start, end, has } = setUp(2);
    void start('a');
    void start('alone', { share: 'alone' });
    const last = start('b');
    await has('a');
    end('a');
    await has('a', 'alone');
    end('alone');
    await has('a', 'alone', 'b');
    end('b');
    await last;
  });

  it('report no COMMIT where an event is held, because the position has not moved', async () => {
    const { start, end, commits } = setUp(1);
    const carried = [start('held', { next: 0 }), start('moved', { next: 3 })];
    await until('both are done', () => {
      end('held', 'moved');
      return Promise.all(carried);
    });
    assert.deepEqual(commits, [3]);
  });

  it('resolve to null where nothing is left to take', async () => {
    const { start, begun } = setUp(1);
    const wish = { share: 'together', takes: 0 } as const;
    assert.deepEqual(await Promise.all([start('a', wish), start('b', wish)]), [null, null]);
    assert.deepEqual(begun, []);
  });
});

describe('Turns, together', () => {
  const share = 'together';

  it('go beside a shared transaction when much waits, or when it takes long', async () => {
    const { start, end, has } = setUp(3);
    void start('shared', { share });
    await has('shared');
    void start('much', { share, records: 1000 });
    await has('shared', 'much');
    // It waits for the shared transactions, but only for PATIENCE_MS.
    void start('little', { share });
    await has('shared', 'much', 'little');
    end('shared', 'much', 'little');
  });

  it('make few new records wait until the shared transaction has ended, or takes long', async () => {
    const { turns, start, end, has, onBegin } = setUp(2);
    const resolved: string[] = [];
    const ask = async (name: string, records: number) => {
      await turns.whenMoreIsOfUse(records);
      resolved.push(name);
    };
    await ask('nothing under way', 1);
    const begun = onBegin(() => [ask('few', 499), ask('many', 500)]);
    const shared = start('shared', { share });
    const asked = await begun;
    await settled();
    assert.deepEqual(resolved, ['nothing under way', 'many']);
    end('shared');
    await shared;
    await settled();
    assert.deepEqual(resolved, ['nothing under way', 'many', 'few']);
    await Promise.all(asked);
    void start('hangs', { share });
    await has('shared', 'hangs');
    await ask('while it hangs', 1);
    end('hangs');
  });

  it('do not wait endlessly where one shared transaction follows another', async () => {
    const { start, end, has } = setUp(3);
    void start('first', { share });
    await has('first');
    void start('second', { share, records: 100 });
    void start('third', { share });
    end('first');
    await has('first', 'second', 'third');
    end('second', 'third');
  });

  it('continue apart, on all connections, where the shared transaction failed [G10]', async () => {
    const { start, end, has, back, shared } = setUp(3);
    const carried = ['hangs', 'b', 'c', 'd'].map((name) => start(name, { share }));
    await has('hangs', 'b', 'c');
    assert.equal(shared(), 1);
    assert.deepEqual(back, ['hangs', 'b', 'c', 'd']);
    end('b', 'c');
    await has('hangs', 'b', 'c', 'd');
    end('hangs', 'd');
    assert.ok((await Promise.all(carried)).every((outcome) => outcome !== null));
  });

  it('are not tried again where they were called off after the shared transaction failed', async () => {
    const { start, begun, back } = setUp(1);
    const carried = ['a', 'b'].map((name) => start(name, { share, takes: 1 }));
    assert.deepEqual(await Promise.all(carried), [null, null]);
    assert.deepEqual([begun, back], [[], ['a', 'b']]);
  });

  it('share again after a failure, however few records it had', async () => {
    const { start, end, shared } = setUp(2);
    const finish = (names: string[], carried: Promise<unknown>[]) =>
      until('they are done', () => {
        end(...names);
        return Promise.all(carried);
      });
    const pair = (names: string[]) =>
      finish(
        names,
        names.map((name) => start(name, { share })),
      );
    await pair(['a', 'b']);
    assert.equal(shared(), 1);
    for (const name of ['c', 'd']) await finish([name], [start(name, { share })]);
    await pair(['e', 'f']);
    assert.equal(shared(), 2);
  });

  it('never share over another log, nor beyond what fits, and less after a failure', async () => {
    const { start, end, has, shared } = setUp(8);
    const first = start('a', { share });
    const other = start('of another log', { share, logId: 2, records: 1000 });
    await has('a', 'of another log');
    assert.equal(shared(), 0);
    end('a', 'of another log');
    await Promise.all([first, other]);
    const large = ['b', 'c'].map((name) => start(name, { share, records: 60 }));
    await has('a', 'of another log', 'b', 'c');
    assert.equal(shared(), 0, 'more than 100 records');
    end('b', 'c');
    await Promise.all(large);
    for (const [names, attempts] of [
      [['d', 'e'], 1],
      [['f', 'g'], 1],
    ] as const) {
      const carried = names.map((name) => start(name, { share, records: 40 }));
      await until('both are done', () => {
        end(...names);
        return Promise.all(carried);
      });
      assert.equal(shared(), attempts, 'what failed with 80 records is not tried with 80 again');
    }
  });
});
