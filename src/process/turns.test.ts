/** Who begins when, and beside whom: nothing reaches a database. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { FakePool } from '../../test/support/fake-pool.ts';
import { contextOf } from '../../test/support/heart.ts';
import { until } from '../../test/support/until.ts';
import { type Turn, Turns } from './turns.ts';

const context = contextOf(new FakePool().asPool());
const slice = sliceOfEvents(0, [wireEvent()]);

/** Turns by themselves that end when told; which began, in order, and how many run at once. */
function setUp(connections: number) {
  const turns = new Turns({ connections, batchMax: 100, onCommitted: () => {} });
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const start = (name: string, share: Turn['share'] = 'apart', records = 1) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    ends.set(name, (error) => (error === undefined ? resolve() : reject(error)));
    const carried = turns.carryOut({
      context,
      share,
      size: () => ({ records, bytes: 0 }),
      take: () => slice,
      process: async () => {
        begun.push(name);
        await promise;
        return { stored: 0, duplicates: [], conflicts: [], deadLetters: [], next: 1 };
      },
    });
    carried.catch(() => {});
    return carried;
  };
  const end = (name: string, error?: Error) => ends.get(name)?.(error);
  const has = (...names: string[]) =>
    until(`${names} began`, () => begun.join() === names.join() || undefined);
  return { turns, start, end, has, begun };
}

describe('Turns, by themselves', () => {
  it('begin on as many connections as there are, the others in turn, also after a failure [G10]', async () => {
    const { start, end, has } = setUp(2);
    const first = start('a');
    for (const name of ['b', 'c', 'd']) void start(name);
    await has('a', 'b');
    end('a', new Error('failed'));
    await assert.rejects(first, /failed/);
    await has('a', 'b', 'c');
    end('b');
    end('c');
    await has('a', 'b', 'c', 'd');
    end('d');
  });

  it('run alone where they must: wait for those inside, and let nobody in beside', async () => {
    const { start, end, has, begun } = setUp(2);
    void start('a');
    void start('alone', 'alone');
    const last = start('b');
    await has('a');
    end('a');
    await has('a', 'alone');
    end('alone');
    await has('a', 'alone', 'b');
    end('b');
    await last;
    assert.equal(begun.length, 3);
  });

  it('go beside a shared transaction when much waits, or when it takes long', async () => {
    const { start, end, has } = setUp(3);
    void start('shared', 'together');
    await has('shared');
    void start('much', 'together', 1000);
    await has('shared', 'much');
    // Waits for one of them; that takes longer than anyone should wait.
    void start('little', 'together');
    await has('shared', 'much', 'little');
    for (const name of ['shared', 'much', 'little']) end(name);
  });

  it('resolve to null where nothing is left to take', async () => {
    const turns = new Turns({ connections: 1, batchMax: 1, onCommitted: () => assert.fail() });
    const nothing: Turn = {
      context,
      share: 'together',
      size: () => ({ records: 0, bytes: 0 }),
      take: () => null,
      process: () => assert.fail(),
    };
    const all = await Promise.all([turns.carryOut(nothing), turns.carryOut(nothing)]);
    assert.deepEqual(all, [null, null]);
  });
});
