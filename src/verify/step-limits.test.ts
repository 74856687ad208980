import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StepLimits } from './step-limits.ts';

describe('StepLimits', () => {
  it('give a step of the patrol the time that it needs, however often the head succeeds meanwhile', () => {
    const limits = new StepLimits();
    const given: number[] = [];
    for (let turn = 0; turn < 7; turn++) {
      limits.cutOff('patrol');
      limits.succeeded('head', 10);
      given.push(limits.statementMs('patrol'));
    }
    assert.deepEqual(given, [4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    assert.equal(limits.statementMs('head'), 2000);
    limits.succeeded('patrol', 50_000);
    assert.equal(limits.statementMs('patrol'), 2000);
  });

  it('make the steps of the head smaller where they take long, and larger again', () => {
    const limits = new StepLimits();
    assert.equal(limits.offsetsMax, 40_000);
    limits.succeeded('head', 2001);
    assert.equal(limits.offsetsMax, 10_000);
    for (let n = 0; n < 9; n++) limits.cutOff('head');
    assert.deepEqual([limits.offsetsMax, limits.statementMs('head')], [500, 60_000]);
    limits.succeeded('head', 10);
    assert.deepEqual([limits.offsetsMax, limits.statementMs('head')], [1000, 2000]);
    limits.succeeded('patrol', 10);
    assert.equal(limits.offsetsMax, 1000);
  });
});
