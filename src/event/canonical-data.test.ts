import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DATA_DEPTH_MAX, readData } from './canonical-data.ts';

function textOf(source: string): string {
  const reading = readData(source);
  assert.ok('text' in reading, JSON.stringify(reading));
  return reading.text;
}

function problemsOf(source: string): string[] {
  const reading = readData(source);
  return 'text' in reading
    ? []
    : reading.problems.map(({ type, path }) => `${path.join('.')} ${type}`);
}

/** JSON text of a value with its members in random order, with spaces and escapes. */
function written(value: unknown, random: () => number): string {
  const space = () => ' '.repeat(Math.trunc(random() * 2));
  if (Array.isArray(value)) {
    return `[${value.map((item) => space() + written(item, random)).join(',')}${space()}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(() => random() - 0.5);
    return `{${members.map(([k, v]) => `${space()}${escaped(k, random)}:${written(v, random)}`).join(',')}}`;
  }
  return typeof value === 'string' ? escaped(value, random) : JSON.stringify(value);
}

function escaped(text: string, random: () => number): string {
  const json = JSON.stringify(text);
  if (random() < 0.5 || json.includes('\\')) return json;
  return json.replaceAll(/[a-z]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`);
}

const storable = fc
  .jsonValue({ maxDepth: 5, noUnicodeString: false })
  .filter((value) => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value)));

describe('readData', () => {
  it('gives one text whatever the order of keys and the spelling, and keeps that text', () => {
    const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(storable, seeds, seeds, (value, a, b) => {
        const [one, other] = [a, b].map((seed) => textOf(written(value, randomOf(seed))));
        assert.equal(one, other);
        assert.equal(textOf(one as string), one);
        assert.deepEqual(JSON.parse(one as string), JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 10_000 },
    );
  });

  it('sorts keys by code unit, at every depth, also keys that look like indexes', () => {
    assert.equal(textOf('{"b":1,"a":{"2":0,"10":0},"B":[]}'), '{"B":[],"a":{"10":0,"2":0},"b":1}');
    assert.equal(textOf('{"__proto__":1,"a":2}'), '{"__proto__":1,"a":2}');
    assert.equal(textOf('{"9":1,"10":2}'), '{"10":2,"9":1}');
  });

  it('writes numbers in their shortest form', () => {
    const sources = [
      '1.10',
      '1e2',
      '-0',
      '-0.0',
      '0.1',
      '1E+21',
      '100000000000000000000',
      '5e-324',
    ];
    assert.deepEqual(
      sources.map((source) => textOf(`{"n":${source}}`).slice(5, -1)),
      ['1.1', '100', '0', '0', '0.1', '1e+21', '100000000000000000000', '5e-324'],
    );
  });

  it('refuses numbers that a double changes [G8]', () => {
    for (const source of [
      '9007199254740993',
      '12345678901234567890',
      '0.1000000000000000055511151231257827',
      '1e400',
      '-1e400',
      '1e-400',
      '0.30000000000000004000000001',
    ]) {
      assert.deepEqual(problemsOf(`{"a":[${source}]}`), ['a.0 number_not_exact'], source);
    }
  });

  it('says where keys are given twice, at any depth, and where text cannot be stored', () => {
    assert.deepEqual(problemsOf('{"a":{"b":1,"b":1},"a":2}'), [
      'a.b duplicate_key',
      'a duplicate_key',
    ]);
    assert.deepEqual(problemsOf('{"a":"\\u0000","b":["\\ud800"],"\\udc00":1}'), [
      'a string_unicode',
      'b.0 string_unicode',
      ' string_unicode',
    ]);
  });

  it('refuses what is nested too deeply, without recursion', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    assert.equal(textOf(nested(DATA_DEPTH_MAX)), nested(DATA_DEPTH_MAX));
    assert.match(problemsOf(nested(DATA_DEPTH_MAX + 1))[0] ?? '', /nesting_too_deep/);
    assert.match(problemsOf(nested(400_000))[0] ?? '', /nesting_too_deep/);
  });

  it('reports a limited number of problems', () => {
    assert.equal(problemsOf(`[${'1e400,'.repeat(5000)}1]`).length, 100);
  });
});

/** A small generator, so that a failing case can be repeated by its seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
