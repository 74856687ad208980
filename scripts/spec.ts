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

/** From the list items `file`: title below the headings `## Gn ...` of SPEC.md. */
export function mappingOfSpec(spec: string): Mapping {
  const mapping = new Map<string, string[]>();
  for (const section of spec.split(/^## (?=G\d+ )/m).slice(1)) {
    const guarantee = /^G\d+/.exec(section)?.[0] ?? '';
    const lines = [...section.matchAll(/^- `([^`]+)`: (.+)$/gm)].map(([, f, t]) => `${f}: ${t}`);
    mapping.set(guarantee, lines);
  }
  return sorted(mapping);
}

function sorted(mapping: Map<string, string[]>): Mapping {
  return new Map([...mapping].map(([guarantee, lines]) => [guarantee, [...lines].sort()]));
}
