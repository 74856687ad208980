/** npm leaves out, without a word, an optional package whose `engines` excludes the Node that runs npm. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';

type Locked = { readonly optional?: boolean; readonly engines?: { readonly node?: string } };

/** The Node that README.md asks for. */
const NODE = 20;

it('every optional package is installed under Node 20', () => {
  const lock = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
  const packages = Object.entries<Locked>(JSON.parse(lock).packages);
  const optional = packages.filter(([, { optional }]) => optional === true);
  assert.ok(optional.some(([path]) => path.endsWith('@opentelemetry/sdk-trace')));
  const leftOut = optional.filter(([, { engines }]) => {
    const lowest = (engines?.node ?? '*').split('||').map((range) => /\d+/.exec(range)?.[0] ?? 0);
    return lowest.every((major) => Number(major) > NODE);
  });
  assert.deepEqual(leftOut, []);
});
