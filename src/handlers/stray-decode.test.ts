/** Errors of the decode function that no caller receives, in a process of its own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';

const SCRIPT = `
  const { guardedDecode } = await import('${new URL('./load-decode.ts', import.meta.url)}');
  const { watchStrayErrors } = await import('${new URL('./stray-errors.ts', import.meta.url)}');
  const { createLogger } = await import('${new URL('../runtime/logger.ts', import.meta.url)}');
  const watch = watchStrayErrors(createLogger('info'));
  const decode = guardedDecode(({ offset }) => {
    if (offset === 1) Promise.reject(new Error('left behind'));
    if (offset === 2) setTimeout(() => { throw new Error('in a timer'); }, 10);
    return '{}';
  });
  for (const offset of [1, 2]) {
    const record = { partition: 3, offset, key: null, value: null, headers: [], appendedMs: 0 };
    console.log(String(decode(record, 'theirs').json));
  }
  setTimeout(() => console.log('alive'), 50);
`;

it('a promise or timer that decode leaves behind is named with its record, and ends nothing [G6]', () => {
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', SCRIPT], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout);
  const lines = stdout.trim().split('\n');
  assert.deepEqual([lines[0], lines[1], lines.at(-1)], ['{}', '{}', 'alive']);
  const logged = lines.slice(2, -1).map((line) => JSON.parse(line));
  assert.deepEqual(
    logged.map(({ handler, first, reason }) => [handler, first, reason.split(': ').at(-1)]),
    [
      ['decode', 'theirs/3/1', 'left behind'],
      ['decode', 'theirs/3/2', 'in a timer'],
    ],
  );
});
