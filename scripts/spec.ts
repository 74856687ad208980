/** Reads which tests hold which guarantee: as SPEC.md says it, and as the tests' titles do. */
import { globSync, readFileSync } from 'node:fs';

/** Guarantee → "file: title", sorted. */
export type Mapping = ReadonlyMap<string, readonly string[]>;

const TITLE = /\bit\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;
const TAG = / ?\[(G\d+)\]/g;

/** From titles like `stores it once [G2] [G7]`, in all test files below `root`. */
export function mappingOfTests(root: string): Mapping {
  const mapping = new Map<string, string[]>();
  const patterns = ['{src,test,examples}/**/*.test.ts', 'test/contract/*.ts'];
  for (const file of globSync(patterns, { cwd: root }).sort()) {
    const source = readFileSync(`${root}/${file}`, 'utf8');
    for (const [, , title = ''] of source.matchAll(TITLE)) {
      for (const [, guarantee = ''] of title.matchAll(TAG)) {
        const line = `${file}: ${title.replaceAll(TAG, '').replaceAll("\\'", "'")}`;
        mapping.set(guarantee, [...(mapping.get(guarantee) ?? []), line]);
      }
    }
  }
  return sorted(mapping);
}

/**
 * From the list items `file`: title below the headings `### Tests of Gn` of SPEC.md.
 *
 * @throws where a guarantee has no such heading, or an item below it has another form: it would
 * otherwise look like a test that is listed, and be checked by nobody.
 */
export function mappingOfSpec(spec: string): Mapping {
  const mapping = new Map<string, string[]>();
  for (const section of spec.split(/^## /m)) {
    const guarantee = /^G\d+(?= )/.exec(section)?.[0];
    if (guarantee === undefined) continue;
    const [, tests] = section.split(`\n### Tests of ${guarantee}\n`);
    if (tests === undefined) throw new Error(`${guarantee} has no heading "Tests of ${guarantee}"`);
    const items = tests.split('\n').filter((line) => /^\s*[-*] /.test(line));
    mapping.set(guarantee, items.map(testOf));
  }
  return sorted(mapping);
}

function testOf(item: string): string {
  const [, file, title] = /^- `([^`]+)`: (.+)$/.exec(item) ?? [];
  if (file === undefined) throw new Error(`Not of the form "- \`file\`: title": ${item}`);
  return `${file}: ${title}`;
}

function sorted(mapping: Map<string, string[]>): Mapping {
  return new Map([...mapping].map(([guarantee, lines]) => [guarantee, [...lines].sort()]));
}
