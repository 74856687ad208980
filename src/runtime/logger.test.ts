import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { it } from 'node:test';
import { VERSION } from './version.ts';

it('a line of the log has its level as a word, the time in UTC, the service and the version', () => {
  const program = `
    import { createLogger } from '${import.meta.resolve('./logger.ts')}';
    const logger = createLogger('debug').child({ service: 'producer' });
    for (const level of ['debug', 'info', 'warn', 'error']) logger[level]({ partition: 3 }, 'Said');
  `;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program]);
  const lines = String(output)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const { time, ...line } of lines) {
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(
      { ...line, level: '' },
      { level: '', version: VERSION, service: 'producer', partition: 3, msg: 'Said' },
    );
  }
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['debug', 'info', 'warn', 'error'],
  );
});
