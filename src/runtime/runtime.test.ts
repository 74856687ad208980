import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { backoffMs, pause } from './backoff.ts';
import { unlessAborted, within } from './deadline.ts';
import { assertPortFree } from './port.ts';

describe('backoffMs', () => {
  it('doubles up to its most, with jitter in the upper half', () => {
    const options = { firstMs: 100, mostMs: 1000 };
    const spans = [1, 2, 3, 4, 5, 500].map((attempt) => [
      backoffMs(attempt, options, () => 0),
      backoffMs(attempt, options, () => 1),
    ]);
    assert.deepEqual(spans, [
      [50, 100],
      [100, 200],
      [200, 400],
      [400, 800],
      [500, 1000],
      [500, 1000],
    ]);
  });
});

describe('pause', () => {
  it('ends early once it is aborted, and never throws', async () => {
    await pause(60_000, AbortSignal.abort());
    await pause(1);
  });
});

describe('within', () => {
  it('gives what comes in time, and rejects what does not', async () => {
    const late = () => new Error('late');
    assert.equal(await within(1000, Promise.resolve(7), late), 7);
    await assert.rejects(within(1, new Promise(() => {}), late), /late/);
    await assert.rejects(within(1000, Promise.reject(new Error('own')), late), /own/);
  });
});

describe('unlessAborted', () => {
  it('gives null as soon as the signal aborts', async () => {
    const controller = new AbortController();
    const waiting = unlessAborted(controller.signal, new Promise(() => {}));
    controller.abort();
    assert.equal(await waiting, null);
    assert.equal(await unlessAborted(controller.signal, Promise.resolve(1)), null);
    assert.equal(await unlessAborted(new AbortController().signal, Promise.resolve(1)), 1);
  });
});

describe('assertPortFree', () => {
  it('explains a HOST that is none, as shells and conda set it', async () => {
    const place = { port: 0, setting: 'PRODUCER_PORT', scheme: 'http' } as const;
    for (const host of ['x86_64-conda-linux-gnu', '203.0.113.7']) {
      const message = /HOST is ".*no address of this machine.*conda.*--host 127\.0\.0\.1/;
      await assert.rejects(assertPortFree({ ...place, host }), {
        code: 'SETTING_INVALID',
        message,
      });
    }
  });

  it('says which setting frees the way, and on Linux who is in it', async (t) => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    t.after(() => server.close());
    const { port } = server.address() as { port: number };
    const place = { host: '127.0.0.1', port, setting: 'PRODUCER_PORT', scheme: 'http' as const };
    const who = process.platform === 'linux' ? `pid ${process.pid}: ` : 'another process';
    await assert.rejects(assertPortFree(place), {
      code: 'PORT_TAKEN',
      message: new RegExp(`taken by ${who}.*PRODUCER_PORT=${port + 10} npm start`),
    });
    await assertPortFree({ ...place, port: 0 });
  });
});
