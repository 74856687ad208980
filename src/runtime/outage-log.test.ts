import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Logger } from './logger.ts';
import { OutageLog } from './outage-log.ts';

it('an outage has a line when it begins, one each minute, and one when it is over', () => {
  const lines: unknown[] = [];
  const clock = { ms: 0 };
  const say = (level: string) => (fields: object, message: string) =>
    void lines.push([level, message, fields]);
  const logger = { warn: say('warn'), info: say('info') } as unknown as Logger;
  const words = { failed: 'Away', over: 'Back', fields: { topic: 't' } };
  const log = new OutageLog(logger, words, () => clock.ms);
  log.over();
  assert.deepEqual(lines, []);
  for (; clock.ms < 120_000; clock.ms += 1000) log.failed(`refused ${clock.ms}`);
  log.over();
  log.over();
  log.failed('again');
  assert.deepEqual(lines, [
    ['warn', 'Away', { topic: 't', attempts: 1, seconds: 0, reason: 'refused 0' }],
    ['warn', 'Away', { topic: 't', attempts: 61, seconds: 60, reason: 'refused 60000' }],
    ['info', 'Back', { topic: 't', attempts: 120, seconds: 120 }],
    ['warn', 'Away', { topic: 't', attempts: 1, seconds: 0, reason: 'again' }],
  ]);
});
