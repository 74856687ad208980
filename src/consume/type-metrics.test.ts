import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Registry } from 'prom-client';
import type { Settled } from '../inbox/batch.ts';
import { addTypeMetrics } from './type-metrics.ts';

/** A transaction that stored events of these types; undefined: without a type. */
function settled(stored: readonly (string | undefined)[]): Settled {
  const storedRecords = stored.map((type) => ({ event: type === undefined ? {} : { type } }));
  // A record that is no event, as a dead letter without one.
  const deadLetters = [{ reason: 'invalid_event' }];
  return { storedRecords, duplicates: [], conflicts: [], deadLetters } as unknown as Settled;
}

it('counts by declared type, and gives no series to what somebody merely sends', async () => {
  const registry = new Registry();
  const count = addTypeMetrics(registry, ['order.placed', 'order.paid']);
  count(settled(['order.placed', 'order.placed', undefined, 'made-up-1', 'made-up-2']));
  const [metric] = await registry.getMetricsAsJSON();
  const values = metric?.values.map(({ labels: { type, outcome }, value }) => [
    `${type} ${outcome}`,
    value,
  ]);
  const byLabels = Object.fromEntries(values ?? []);
  assert.equal(values?.length, 4 * 4);
  assert.deepEqual(
    Object.fromEntries(Object.entries(byLabels).filter(([, value]) => value !== 0)),
    {
      'order.placed stored': 2,
      '(none) stored': 1,
      '(other) stored': 2,
      '(other) dead_letter': 1,
    },
  );
});

it('bounds the types, however many are declared', async () => {
  const registry = new Registry();
  const types = Array.from({ length: 500 }, (_, n) => `type-${n}`);
  addTypeMetrics(registry, types)(settled(types));
  const [metric] = await registry.getMetricsAsJSON();
  assert.equal(metric?.values.length, (100 + 2) * 4);
  const sum = metric?.values.reduce((all, { value }) => all + value, 0);
  assert.equal(sum, 501);
});

it('registers nothing where no types are declared', async () => {
  const registry = new Registry();
  addTypeMetrics(registry, null)(settled([undefined]));
  assert.deepEqual(await registry.getMetricsAsJSON(), []);
});
