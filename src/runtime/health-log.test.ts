import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HealthLog } from './health-log.ts';
import type { Logger } from './logger.ts';

function setUp() {
  const lines: string[] = [];
  const clock = { ms: 0 };
  const health = { troubles: [] as string[], partial: [] as string[] };
  const logger = {
    warn: ({ reason }: { reason: string }, text: string) => void lines.push(`${text}: ${reason}`),
    info: (text: string) => void lines.push(text),
  } as unknown as Logger;
  const log = new HealthLog(
    logger,
    () => ({ ...health, facts: {} }),
    () => clock.ms,
  );
  const pass = (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      clock.ms += 1000;
      log.look();
    }
  };
  return { lines, health, pass };
}

describe('HealthLog', () => {
  it('writes one line when trouble begins and one when it has ended', () => {
    const { lines, health, pass } = setUp();
    health.troubles = ['no broker'];
    pass(30);
    health.troubles = [];
    pass(30);
    assert.deepEqual(lines, ['Unhealthy: no broker', 'Healthy again']);
  });

  it('says nothing of what is over at once, as at a start', () => {
    const { lines, health, pass } = setUp();
    health.troubles = ['Not checked yet'];
    pass(2);
    health.troubles = [];
    pass(5);
    assert.deepEqual(lines, []);
  });

  it('names a new reason, once a minute at most', () => {
    const { lines, health, pass } = setUp();
    for (let i = 0; i < 130; i++) {
      health.partial = [`offset ${i}`];
      pass(1);
    }
    assert.deepEqual(lines.length, 3);
    assert.match(lines[0] ?? '', /^A part does not work: offset 2$/);
  });
});
