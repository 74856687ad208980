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

    it(`${guarantee} names no test twice`, () => {
      // Cases of one loop may share a title that is written once; the tests say how often.
      const count = (all: readonly string[], line: string) => all.filter((l) => l === line).length;
      const held = tests.get(guarantee) ?? [];
      const twice = lines.filter((line) => count(lines, line) > Math.max(1, count(held, line)));
      assert.deepEqual(twice, []);
    });
  }

  for (const [guarantee, lines] of tests) {
    it(`names every test that says it holds ${guarantee}`, () => {
      const unnamed = lines.filter((line) => !spec.get(guarantee)?.includes(line));
      const toAdd = unnamed.map((line) => line.replace(/^([^:]+):/, '- `$1`:'));
      assert.deepEqual(toAdd, []);
    });
  }

  it('is refused where a list of tests holds anything else', () => {
    assert.throws(() => mappingOfSpec('## G1 Once\n\n- `a.test.ts`: works\n'), /Tests of G1/);
    const item = '## G1 Once\n\n### Tests of G1\n\n- a.test.ts: works\n';
    assert.throws(() => mappingOfSpec(item), /Not of the form/);
  });

  it('is read up to the next heading of the same level', () => {
    const text = '## G1 Once\n\n### Tests of G1\n\n- `a.test.ts`: works\n\n## Gaps\n\n- None\n';
    assert.deepEqual([...mappingOfSpec(text)], [['G1', ['a.test.ts: works']]]);
  });
});
