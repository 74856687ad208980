import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mappingOfSpec, mappingOfTests } from './spec.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

describe('SPEC.md', () => {
  const spec = mappingOfSpec(readFileSync(`${root}/SPEC.md`, 'utf8'));
  const tests = mappingOfTests(root);

  it('has the guarantees G1 to G10, each held by tests', () => {
    const names = Array.from({ length: 10 }, (_, i) => `G${i + 1}`);
    assert.deepEqual([...spec.keys()], names);
    for (const name of names) assert.ok((spec.get(name)?.length ?? 0) > 0, name);
  });

  for (const [guarantee, lines] of spec) {
    it(`${guarantee} names only tests that exist and say that they hold it`, () => {
      const gone = lines.filter((line) => !tests.get(guarantee)?.includes(line));
      assert.deepEqual(gone, []);
    });
  }

  for (const [guarantee, lines] of tests) {
    it(`names every test that says it holds ${guarantee}`, () => {
      const unnamed = lines.filter((line) => !spec.get(guarantee)?.includes(line));
      const toAdd = unnamed.map((line) => line.replace(/^([^:]+):/, '- `$1`:'));
      assert.deepEqual(toAdd, []);
    });
  }
});
