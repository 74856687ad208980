import { Counter, type Registry } from 'prom-client';
import type { RedriveOutcome } from '../dead-letters/redrive-one.ts';

const OUTCOMES: readonly RedriveOutcome[] = [
  'stored',
  'duplicate',
  'conflict',
  'failed',
  'behind',
  'gone',
  'invalid',
];

/** @returns a function to be called for each redrive of a dead letter. */
export function addRedriveMetrics(registry: Registry): (outcome: RedriveOutcome) => void {
  const redriven = new Counter({
    name: 'orderonce_redriven_total',
    help: 'Redrives of dead letters that this process made, by outcome. Those of "orderonce dead-letters redrive --local" are made by the process of that command.',
    labelNames: ['outcome'],
    registers: [registry],
  });
  for (const outcome of OUTCOMES) redriven.inc({ outcome }, 0);
  return (outcome) => redriven.inc({ outcome });
}
