/** The client in front of the real producer and consumer, over a network that cuts connections. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { startEmbeddedServices } from '../../test/support/embedded-services.ts';
import { wireEvent } from '../../test/support/events.ts';
import { TcpProxy } from '../../test/support/tcp-proxy.ts';
import { until } from '../../test/support/until.ts';
import { createClient, newEventId, Rejected } from './index.ts';

const EVENTS = 10_000;
const ORDERS = 500;

/** A proxy that cuts the connection at every third answer and at every eleventh part of a request. */
async function throughCuts(t: TestContext, target: string) {
  const { hostname: host, port } = new URL(target);
  const proxy = await TcpProxy.start(t, { host, port: Number(port) });
  const chunks = { up: 0, down: 0 };
  const cuts = { up: 0, down: 0 };
  const every = { up: 11, down: 3 };
  proxy.fault = (direction) => {
    if (++chunks[direction] % every[direction] !== 0) return 'pass';
    cuts[direction]++;
    return 'cut';
  };
  return { url: `http://127.0.0.1:${proxy.port}`, cuts };
}

describe('The client in front of the real services', () => {
  it(`each of ${EVENTS} events takes effect exactly once, in order, though connections are cut`, async (t) => {
    const { database, producerUrl, consumerUrl } = await startEmbeddedServices(t);
    const { url, cuts } = await throughCuts(t, producerUrl);
    let requests = 0;
    const client = createClient({
      url,
      statusUrl: consumerUrl,
      fetch: (input, init) => {
        requests++;
        return fetch(input, init);
      },
    });
    const orders = Array.from({ length: ORDERS }, () => randomUUID());
    function* events() {
      for (let n = 0; n < EVENTS; n++) {
        const { event_id: _, ...event } = wireEvent({ order_id: orders[n % ORDERS] as string });
        yield { ...event, user_id: String(n), total_amount: '0.01' };
      }
    }
    const startedAt = performance.now();
    const ids: string[] = [];
    for await (const verdict of client.sendMany(events(), { batchMax: 200 })) {
      assert.equal(verdict.status, 'accepted');
      ids.push(verdict.event.event_id);
    }
    const seconds = (performance.now() - startedAt) / 1000;
    assert.equal(new Set(ids).size, EVENTS);
    const one = async (sql: string) => (await database.pool.query(sql)).rows[0];
    await until('every record has its outcome', async () => {
      const { open } = await one(
        `SELECT (SELECT count(*) FROM event_log) - (SELECT sum(next_offset) FROM consumer_positions) AS open`,
      );
      return Number(open) === 0;
    });
    const stored = await database.pool.query('SELECT event_id FROM processed_events');
    assert.deepEqual(stored.rows.map(({ event_id }) => event_id).sort(), ids.toSorted());
    const sums = await one(
      'SELECT count(*)::int AS orders, sum(event_count)::int AS events, sum(amount_sum)::text AS amount FROM orders',
    );
    assert.deepEqual(sums, { orders: ORDERS, events: EVENTS, amount: '100.0000' });
    const moved = await one(
      `SELECT count(*)::int AS n FROM (
         SELECT user_id::int < lag(user_id::int) OVER (
           PARTITION BY order_id ORDER BY log_partition, log_offset) AS is_moved
           FROM processed_events) AS e WHERE is_moved`,
    );
    assert.equal(moved.n, 0, 'events of an order take effect in the given sequence');
    const others = await one(
      `SELECT (SELECT count(*)::int FROM duplicates) AS duplicates,
              (SELECT count(*)::int FROM conflicts) AS conflicts,
              (SELECT count(*)::int FROM dead_letters) AS dead`,
    );
    assert.deepEqual([others.conflicts, others.dead], [0, 0]);
    assert.ok(cuts.down > 5 && cuts.up > 2 && others.duplicates > 0);
    t.diagnostic(
      `${EVENTS} events accepted in ${seconds.toFixed(1)} s by ${requests} requests; connections cut: ` +
        `${cuts.up} before and ${cuts.down} after an append; stored: ${stored.rowCount}; ` +
        `copies that had no effect: ${others.duplicates}`,
    );
  });

  it('status: null at first, then what became of the event; also by the redirect of the producer', async (t) => {
    const { producerUrl, consumerUrl } = await startEmbeddedServices(t);
    for (const options of [{ url: producerUrl }, { url: producerUrl, statusUrl: consumerUrl }]) {
      const client = createClient(options);
      const event = { ...wireEvent(), event_id: newEventId() };
      assert.equal(await client.status(event.event_id), null);
      const waiting = client.status(event.event_id, { wait: 20 });
      await client.send(event);
      const found = await waiting;
      assert.deepEqual([found?.event_id, found?.status], [event.event_id, 'stored']);
      const startedAt = performance.now();
      assert.equal(await client.status(newEventId(), { wait: 1 }), null);
      assert.ok(performance.now() - startedAt > 900);
      await assert.rejects(client.status('no-uuid'), Rejected);
    }
  });
});
