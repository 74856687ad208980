import { Counter, type Registry } from 'prom-client';

/** Why a request was refused before its body was read. */
export const REFUSALS = [
  'no_certificate',
  'no_key',
  'unknown_key',
  'wrong_role',
  'rate',
  'foreign_page',
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** @returns a function to be called for each refused request. */
export function addAccessMetrics(registry: Registry): (why: Refusal) => void {
  const refused = new Counter({
    name: 'orderonce_access_refused_total',
    help: 'Requests refused before their body was read: no_certificate, no_key, unknown_key, wrong_role, rate (more events than the key may send), foreign_page (a web page of another site, or a wrong Host).',
    labelNames: ['why'],
    registers: [registry],
  });
  for (const why of REFUSALS) refused.inc({ why }, 0);
  return (why) => refused.inc({ why });
}
