import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { forEachEvent } from '../handlers/handler.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { SHARDS } from '../log/message.ts';
import { findUnpublished } from '../store/outbox.ts';
import { leaseShards, releaseShards } from '../store/outbox-shards.ts';

const TOPIC = 'charges';

describe('Leases of shards', () => {
  it('are shared evenly among relays; none has a shard of another', async (t) => {
    const { pool } = await setUpHeart(t);
    const held = new Map<string, number[]>();
    for (const owner of ['a', 'b', 'c', 'a', 'b', 'c']) {
      held.set(owner, await leaseShards(pool, owner, 60_000));
    }
    const all = [...held.values()].flat().sort((x, y) => x - y);
    assert.deepEqual(
      all,
      Array.from({ length: SHARDS }, (_, shard) => shard),
    );
    assert.ok(
      [...held.values()].every((shards) => shards.length >= 4),
      JSON.stringify([...held]),
    );
    await releaseShards(pool, 'a');
    for (const owner of ['b', 'c']) held.set(owner, await leaseShards(pool, owner, 60_000));
    assert.equal(held.get('b')?.length, SHARDS / 2);
  });

  it('of a relay that is stuck go to the others; alone it keeps them', async (t) => {
    const { pool } = await setUpHeart(t);
    assert.equal((await leaseShards(pool, 'stuck', 60_000, true)).length, SHARDS);
    await leaseShards(pool, 'other', 60_000);
    assert.equal((await leaseShards(pool, 'stuck', 60_000, true)).length, 0);
    assert.equal((await leaseShards(pool, 'other', 60_000)).length, SHARDS);
  });

  it('that have run out go to others, and give their holder nothing more to publish', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const emit = forEachEvent('charge', async (event, tx) => {
      tx.emit(event, { topic: TOPIC, key: event.orderId, value: 'charged' });
    });
    const handlers = { handlers: [emit], timeoutMs: 1000, attemptsMax: 2 };
    await processBatch({ ...context, handlers }, sliceOfEvents(0, [wireEvent()]));
    assert.equal((await leaseShards(pool, 'zombie', 1)).length, SHARDS);
    assert.equal((await leaseShards(pool, 'heir', 60_000)).length, SHARDS);
    assert.equal((await findUnpublished(pool, 'zombie', TOPIC, 10)).length, 0);
    assert.equal((await findUnpublished(pool, 'heir', TOPIC, 10)).length, 1);
  });
});
