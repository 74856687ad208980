import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Logger } from '../runtime/logger.ts';
import { AppendFailures } from './append-failures.ts';

describe('AppendFailures', () => {
  it('writes one line per cause and minute, with a request and how many events there were', () => {
    const lines: object[] = [];
    const clock = { ms: 0 };
    const logger = { error: (fields: object) => void lines.push(fields) } as unknown as Logger;
    const failures = new AppendFailures(logger, () => clock.ms);
    failures.note('no leader', 'r1');
    for (let i = 2; i <= 100; i++) failures.note('no leader', `r${i}`);
    failures.note('broken pipe', 'other', 3);
    assert.deepEqual(lines, [
      { request_id: 'r1', events: 1, reason: 'no leader' },
      { request_id: 'other', events: 3, reason: 'broken pipe' },
    ]);
    clock.ms = 60_000;
    failures.note('no leader', 'r101');
    assert.deepEqual(lines.at(-1), { request_id: 'r101', events: 100, reason: 'no leader' });
  });
});
