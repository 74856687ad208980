import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sharedBuffersMb } from './server.ts';

it('gives the embedded PostgreSQL a quarter of the memory, within reason', () => {
  const gibibytes = [0.1, 0.5, 1, 2, 4, 64];
  assert.deepEqual(
    gibibytes.map((size) => sharedBuffersMb(size * 2 ** 30)),
    [128, 128, 256, 512, 1024, 1024],
  );
});
