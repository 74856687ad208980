import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Facts, factsOf, readSources } from './sources.ts';
import {
  backwardImports,
  circles,
  FOLDERS,
  FUNCTION_LINES_MAX,
  forbiddenImports,
  longFunctions,
  sqlOutsideStore,
} from './structure.ts';

/** Facts of files that exist only here. */
function made(files: Record<string, string>): Facts {
  return factsOf(new Map(Object.entries(files)));
}

describe('The structure of src/', () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const facts = factsOf(readSources(root));

  it('has every folder of the list, and no other', () => {
    const folders = new Set([...facts.keys()].map((path) => path.split(/[/.]/)[1]));
    assert.deepEqual([...folders].sort(), [...FOLDERS].sort());
  });

  it('is the one that ARCHITECTURE.md gives', () => {
    const text = readFileSync(`${root}/ARCHITECTURE.md`, 'utf8');
    const rows = [...text.matchAll(/^\| `([a-z-]+)(?:\/|\.ts)` \|/gm)].map(([, folder]) => folder);
    assert.deepEqual(rows, FOLDERS);
  });

  it('has no import against the order of the folders, nor of what a folder must not know', () => {
    assert.deepEqual(backwardImports(facts), []);
    assert.deepEqual(forbiddenImports(facts), []);
  });

  it('has no circle of files that import one another', () => {
    assert.deepEqual(circles(facts), []);
  });

  it('has no SQL outside src/store', () => {
    assert.deepEqual(sqlOutsideStore(facts), []);
  });

  it(`has no function of more than ${FUNCTION_LINES_MAX} lines`, () => {
    assert.deepEqual(longFunctions(facts), []);
  });
});

describe('The rules of the structure', () => {
  it('find an import of a later folder, however it is written', () => {
    const forms = [
      `import { b } from '../inbox/b.ts';`,
      `import type { B } from '../inbox/b.ts';`,
      `export { b } from '../inbox/b.ts';`,
      `export const b = () => import('../inbox/b.ts');`,
      `export const b = new Worker(new URL('../inbox/b.ts', import.meta.url));`,
      `export type B = import('../inbox/b.ts').B;`,
    ];
    for (const form of forms) {
      assert.deepEqual(backwardImports(made({ 'src/store/a.ts': `\n${form}\n` })), [
        'src/store/a.ts:2 imports src/inbox/b.ts of inbox, which comes after store',
      ]);
    }
  });

  it('allow an import of the same and of an earlier folder', () => {
    const text = `import './b.ts'; import '../errors.ts'; import '../event/c.ts'; import 'pg';`;
    assert.deepEqual(backwardImports(made({ 'src/store/a.ts': text })), []);
  });

  it('find a folder that is not listed, and an import that leaves src/', () => {
    assert.deepEqual(backwardImports(made({ 'src/utils/a.ts': '' })), [
      'src/utils/a.ts is in a folder that is not listed: utils',
    ]);
    assert.deepEqual(backwardImports(made({ 'src/cli.ts': `import '../dev/a.ts';` })), [
      'src/cli.ts:1 imports dev/a.ts of outside src/, which is not listed',
    ]);
  });

  it('find an import of what a folder must not know', () => {
    const files = { 'src/ingest/a.ts': `import type { B } from '../store/b.ts';` };
    assert.deepEqual(backwardImports(made(files)), []);
    assert.deepEqual(forbiddenImports(made(files)), [
      'src/ingest/a.ts:1 imports src/store/b.ts, which ingest must not know',
    ]);
  });

  it('find circles, of types and through other files too, and nothing beside them', () => {
    const files = {
      'src/store/a.ts': `import type { B } from './b.ts';`,
      'src/store/b.ts': `import './c.ts'; import './leaf.ts';`,
      'src/store/c.ts': `import './a.ts';`,
      'src/store/d.ts': `import './e.ts';`,
      'src/store/e.ts': `import './d.ts';`,
      'src/store/leaf.ts': '',
      'src/store/root.ts': `import './a.ts'; import './d.ts';`,
    };
    assert.deepEqual(circles(made(files)), [
      'src/store/a.ts → src/store/b.ts → src/store/c.ts → src/store/a.ts',
      'src/store/d.ts → src/store/e.ts → src/store/d.ts',
    ]);
    assert.deepEqual(circles(made({ ...files, 'src/store/c.ts': '', 'src/store/e.ts': '' })), []);
  });

  it('find SQL outside src/store, in any literal and in templates', () => {
    const text = `
      await tx.query('SAVEPOINT one');
      const sql = \`
        SELECT \${column} FROM orders\`;
      await this.#send(\`ROLLBACK TO SAVEPOINT \${name}\`);
      throw new Error('Select another one; SELECT is not the first word here');`;
    const problems = sqlOutsideStore(made({ 'src/inbox/a.ts': text, 'src/store/b.ts': text }));
    assert.deepEqual(problems, [
      'src/inbox/a.ts:2 holds SQL: SAVEPOINT one',
      'src/inbox/a.ts:3 holds SQL: SELECT',
      'src/inbox/a.ts:5 holds SQL: ROLLBACK TO SAVEPOINT',
    ]);
  });

  it('find functions that are too long, of every kind, and none that is just short enough', () => {
    const body = (lines: number) => `{\n${'  // line\n'.repeat(lines - 2)}}`;
    const text = (lines: number) => `
      function declared() ${body(lines)}
      const arrow = () => ${body(lines)};
      const expression = function () ${body(lines)};
      class Any {
        /** A comment in front does not count. */
        method() ${body(lines)}
        #hidden() ${body(lines)}
        get value() ${body(lines)}
        constructor() ${body(lines)}
        field = async () => ${body(lines)};
      }`;
    const problems = longFunctions(made({ 'src/a.ts': text(FUNCTION_LINES_MAX + 1) }));
    assert.deepEqual(
      problems.map((problem) => problem.replace(/^.*:\d+ (.*) has 71 lines$/, '$1')),
      ['declared', 'arrow', 'expression', 'method', '#hidden', 'value', 'Any', 'field'],
    );
    assert.deepEqual(longFunctions(made({ 'src/a.ts': text(FUNCTION_LINES_MAX) })), []);
  });
});
