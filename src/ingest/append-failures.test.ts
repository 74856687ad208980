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
    failures.note('no leader', { requestId: 'r1', traceId: 't1' });
    for (let i = 2; i <= 100; i++) failures.note('no leader', { requestId: `r${i}` });
    failures.note('broken pipe', { requestId: 'other' }, 3);
    assert.deepEqual(lines, [
      { request_id: 'r1', trace_id: 't1', events: 1, reason: 'no leader' },
      { request_id: 'other', events: 3, reason: 'broken pipe' },
    ]);
    clock.ms = 60_000;
    failures.note('no leader', { requestId: 'r101' });
    assert.deepEqual(lines.at(-1), { request_id: 'r2', events: 100, reason: 'no leader' });
  });

  it('says also what no later failure brings to light, and at the stop what is left', () => {
    const lines: object[] = [];
    const clock = { ms: 0 };
    const logger = { error: (fields: object) => void lines.push(fields) } as unknown as Logger;
    const failures = new AppendFailures(logger, () => clock.ms);
    for (let i = 1; i <= 3; i++) failures.note('no leader', { requestId: `r${i}` });
    clock.ms = 59_999;
    failures.look();
    assert.equal(lines.length, 1);
    clock.ms = 60_000;
    failures.look();
    assert.deepEqual(lines.at(-1), { request_id: 'r2', events: 2, reason: 'no leader' });
    failures.note('no leader', { requestId: 'r4' });
    failures.stop();
    assert.deepEqual(lines.at(-1), { request_id: 'r4', events: 1, reason: 'no leader' });
    assert.equal(lines.length, 3);
  });
});
