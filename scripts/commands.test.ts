import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { callProblem } from './shell-blocks.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

it('commands that messages and the console tell people to run are understood', () => {
  // The examples of the command table have a test of their own.
  const files = globSync('src/**/*.{ts,js}', { cwd: root }).filter(
    (file) => !/\.test\.ts$|table[\w-]*\.ts$/.test(file),
  );
  const calls = files.flatMap((file) =>
    [...readFileSync(`${root}/${file}`, 'utf8').matchAll(CALL)].map(([, call = '']) => call),
  );
  assert.ok(calls.length > 20, String(calls.length));
  assert.deepEqual(
    calls.map(callProblem).filter((problem) => problem !== null),
    [],
  );
});

const CALL = /["'](?:npx )?orderonce ([a-z][^"'$]*?)["']/g;
