import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OrderonceError } from '../errors.ts';
import type { LogBounds } from '../log/event-log.ts';
import { boundsOfAll, onceAvailable } from './patient-reads.ts';

const unavailable = (why: string) => new OrderonceError('LOG_UNAVAILABLE', why);

describe('onceAvailable', () => {
  it('gives up with the last reason once its patience is over', async () => {
    let calls = 0;
    const work = async () => {
      throw unavailable(`reason ${++calls}`);
    };
    await assert.rejects(onceAvailable(work, 150), (error: Error) => {
      assert.equal(error.message, `reason ${calls}`);
      return calls > 1;
    });
  });

  it('passes every other error on at once', async () => {
    let calls = 0;
    const work = async () => {
      calls++;
      throw new OrderonceError('LOG_RECREATED', 'another topic');
    };
    await assert.rejects(onceAvailable(work), { code: 'LOG_RECREATED' });
    assert.equal(calls, 1);
  });
});

describe('boundsOfAll', () => {
  it('asks again only for partitions that did not answer, and says at the end why they do not', async () => {
    const asked: (readonly number[])[] = [];
    const bounds = async (partitions: readonly number[]) => {
      asked.push(partitions);
      if (partitions.length === 1) throw unavailable('No broker leads the partitions now');
      return new Map<number, LogBounds>([[0, { start: 0, end: 5 }]]);
    };
    const reason = { code: 'LOG_UNAVAILABLE', message: 'No broker leads the partitions now' };
    await assert.rejects(boundsOfAll({ bounds }, [0, 1], 150), reason);
    assert.deepEqual(asked.slice(0, 2), [[0, 1], [1]]);
  });
});
