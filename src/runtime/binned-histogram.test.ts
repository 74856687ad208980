import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { addBinnedHistogram } from './binned-histogram.ts';

it('a binned histogram shows what one of prom-client would, zeros included', async () => {
  const bounds = [0.005, 0.1, 1, 60];
  const value = fc.oneof(fc.double({ min: 0, max: 100, noNaN: true }), fc.constantFrom(...bounds));
  const samples = fc.array(fc.tuple(fc.constantFrom('api', 'foreign'), value));
  await fc.assert(
    fc.asyncProperty(samples, async (observed) => {
      const [ours, theirs] = [new Registry(), new Registry()];
      const named = { name: 'seconds', help: 'Seconds.' };
      const binned = addBinnedHistogram(ours, {
        ...named,
        label: 'via',
        values: ['api', 'foreign'],
        bounds,
      });
      const usual = new Histogram({
        ...named,
        labelNames: ['via'],
        buckets: bounds,
        registers: [theirs],
      });
      for (const via of ['api', 'foreign']) usual.zero({ via });
      for (const [via, seconds] of observed) {
        binned[via as 'api' | 'foreign'].observe(seconds);
        usual.observe({ via }, seconds);
      }
      assert.equal(await ours.metrics(), await theirs.metrics());
    }),
  );
});
