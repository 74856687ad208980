import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Registry } from 'prom-client';
import type { OutboxLag } from '../store/outbox.ts';
import { addOutboxMetrics } from './outbox-metrics.ts';

it('a frozen PostgreSQL holds up no scrape', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const registry = new Registry();
  addOutboxMetrics(registry, () => new Promise(() => {}));
  const scraped = registry.metrics();
  t.mock.timers.tick(2000);
  assert.doesNotMatch(await scraped, /^orderonce_outbox_pending \d/m);
});

it('the gauges of the outbox say what is true now, or nothing', async () => {
  const registry = new Registry();
  let lag: OutboxLag | null = { pending: 3, oldestSeconds: 40 };
  let reads = 0;
  addOutboxMetrics(registry, async () => {
    reads++;
    if (lag === null) throw new Error('PostgreSQL is down');
    return lag;
  });
  const samples = async () =>
    (await registry.metrics()).split('\n').filter((line) => /^[a-z]/.test(line));
  const both = ['orderonce_outbox_oldest_seconds 40', 'orderonce_outbox_pending 3'];
  assert.deepEqual(await samples(), both);
  assert.equal(reads, 1);
  lag = null;
  assert.deepEqual(await samples(), []);
  lag = { pending: 0, oldestSeconds: 0 };
  assert.deepEqual(await samples(), [
    'orderonce_outbox_oldest_seconds 0',
    'orderonce_outbox_pending 0',
  ]);
});
