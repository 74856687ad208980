import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { parse } from 'yaml';
import { shortRules } from './alerts/short-rules.ts';
import { GROUP_TROUBLES, TROUBLES } from './alerts/troubles.ts';

const rules = readFileSync(new URL('../deploy/prometheus/rules.yml', import.meta.url), 'utf8');
type Rules = { groups: { rules: { alert: string; expr: string; for?: string }[] }[] };

it('the demonstration waits for seconds, and shows each alert', () => {
  const { groups } = parse(shortRules(rules)) as Rules;
  const all = groups.flatMap(({ rules: ofGroup }) => ofGroup);
  for (const { expr, for: waits = '' } of all) {
    assert.doesNotMatch(`${expr} ${waits}`, /\[\d+[mh]\]|^\d+m| \d+m$/);
  }
  const shown = [...TROUBLES, ...GROUP_TROUBLES].flatMap(({ alerts, alertsAtEnd = [] }) => [
    ...alerts,
    ...alertsAtEnd,
  ]);
  assert.deepEqual(shown.sort(), all.map(({ alert }) => alert.replace('Orderonce', '')).sort());
});
