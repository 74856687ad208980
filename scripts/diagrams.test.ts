import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { drawings, readMigrationsSql, staleParts } from './diagrams.ts';
import { importsBetweenFolders, withoutDetours } from './folder-diagram.ts';
import { factsOf, readSources } from './sources.ts';
import { type Box, type Drawing, problemsOf, svgOf } from './svg.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const facts = factsOf(readSources(root));

describe('The diagrams', () => {
  it('name only what the code has', () => {
    assert.deepEqual(staleParts(facts, readMigrationsSql(root)), []);
  });

  for (const [name, drawing] of Object.entries(drawings(facts))) {
    it(`can be read: ${name}`, () => {
      assert.deepEqual(problemsOf(drawing), []);
    });
  }
});

describe('The checks of the diagrams', () => {
  it('find functions, codes, tables and states that are gone', () => {
    const step = { name: 'Fence', does: '', code: ['inbox/gone.ts', 'fence'] } as const;
    const sql = `CREATE TABLE processed_events (\nCREATE TABLE duplicates (\nCREATE TABLE conflicts (`;
    assert.deepEqual(staleParts(facts, sql, [{ ...step, endedBy: 'NO_SUCH_CODE' }]), [
      'src/inbox/gone.ts does not export fence',
      'src/errors.ts has no NO_SUCH_CODE',
      'No migration makes the table dead_letters',
      "The states of a dead letter are not 'parked', 'waiting', 'discarded'",
    ]);
  });

  it('find text that leaves its box or lies on something, and arrows through boxes', () => {
    const box: Box = { x: 100, y: 10, width: 80, height: 30, look: 'plain' };
    const drawing: Drawing = {
      title: 'Made up',
      height: 100,
      boxes: [box],
      texts: [
        { x: 110, y: 30, text: 'far too long for it' },
        { x: 10, y: 60, text: 'one' },
        { x: 12, y: 64, text: 'two' },
        { x: 300, y: 30, text: 'three' },
      ],
      arrows: [{ from: [80, 38], to: [400, 28], runs: 'across' }],
    };
    assert.deepEqual(problemsOf(drawing), [
      '"far too long for it" leaves its box',
      '"two" lies on "one"',
      'An arrow lies on "three"',
      'The arrow from 80,38 goes through the box at 100,10',
    ]);
  });
});

describe('The arrows between folders', () => {
  it('are those of the imports of files, without those within a folder', () => {
    const made = factsOf(
      new Map([
        ['src/store/a.ts', `import './b.ts'; import type { C } from '../log/c.ts';`],
        ['src/store/b.ts', ''],
        ['src/log/c.ts', ''],
      ]),
    );
    assert.deepEqual(importsBetweenFolders(made).get('store'), new Set(['log']));
  });

  it('leave out what other arrows imply, and nothing else', () => {
    const imports = { a: ['b', 'c', 'd'], b: ['c'], c: [], d: [] };
    const sets = new Map(Object.entries(imports).map(([from, to]) => [from, new Set(to)]));
    assert.deepEqual(withoutDetours(sets), [
      ['a', 'b'],
      ['a', 'd'],
      ['b', 'c'],
    ]);
  });
});

describe('svgOf', () => {
  it('escapes text', () => {
    const texts = [{ x: 10, y: 20, text: 'a < b & c' }];
    const svg = svgOf({ title: '<', height: 40, boxes: [], texts, arrows: [] }, 'dark');
    assert.match(svg, />a &lt; b &amp; c<\/text>/);
    assert.match(svg, /<title>&lt;<\/title>/);
  });
});
