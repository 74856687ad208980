import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { murmur2 } from '@platformatic/kafka';
import fc from 'fast-check';
import { partitionOf } from './partition.ts';

/**
 * Keys with the partitions that Kafka's Java client chose for topics of 6, 12 and 1,000 partitions.
 */
const golden = JSON.parse(
  readFileSync(new URL('../../test/support/java-partitions.json', import.meta.url), 'utf8'),
) as { keys: [string, number, number, number][] };

it("partitionOf agrees with Kafka's Java client [G5]", () => {
  for (const [key, of6, of12, of1000] of golden.keys) {
    const bytes = Buffer.from(key);
    const ours = [6, 12, 1000].map((partitions) => partitionOf(bytes, partitions));
    assert.deepEqual(ours, [of6, of12, of1000], key);
  }
  assert.equal(golden.keys.length, 200);
});

it("partitionOf agrees with the client's own hash, whatever the bytes of the key", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, (key) => {
      const theirs = murmur2(Buffer.from(key)) & 0x7fffffff;
      assert.equal(partitionOf(Buffer.from(key), 2 ** 31), theirs);
    }),
    { numRuns: 500 },
  );
});
