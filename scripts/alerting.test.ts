/** Holds the alert rules and the dashboard against the metrics of the code and against the docs. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { allMetrics } from './all-metrics.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(`${root}/${path}`, 'utf8');

type Rule = {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

const rules = (
  parse(read('deploy/prometheus/rules.yml')) as { groups: { rules: Rule[] }[] }
).groups.flatMap(({ rules: ofGroup }) => ofGroup);
const dashboard = JSON.parse(read('deploy/grafana/orderonce.json')) as {
  panels: { id: number; title: string; type: string; targets?: { expr: string }[] }[];
};
const expressions = [
  ...rules.map(({ expr }) => expr),
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
];

function namesIn(expr: string): string[] {
  return expr.match(/\borderonce_\w+/g) ?? [];
}

/** The series of a metric: those of a histogram have suffixes. */
function seriesOf({ name, type }: { name: string; type: string }): string[] {
  return type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name];
}

describe('Alert rules and dashboard', () => {
  it('name only series that the code has, with histograms by their suffix', async () => {
    const metrics = await allMetrics();
    const known = new Set(metrics.flatMap(seriesOf));
    const named = new Set(expressions.flatMap(namesIn));
    const missing = [...named].filter((name) => !known.has(name));
    assert.deepEqual(missing, []);
  });

  it('show on the dashboard every metric that the code has', async () => {
    const named = new Set(expressions.flatMap(namesIn));
    const unseen = (await allMetrics()).filter((one) => !seriesOf(one).some((s) => named.has(s)));
    assert.deepEqual(
      unseen.map(({ name }) => name),
      // They repeat what the lag and the trouble of a partition show.
      ['orderonce_position', 'orderonce_partition_running', 'orderonce_partition_failed_attempts'],
    );
  });

  it('take rates of counters and histograms only', async () => {
    const counted = new Set(
      (await allMetrics()).filter(({ type }) => type !== 'gauge').flatMap(seriesOf),
    );
    for (const expr of expressions) {
      for (const [, name = ''] of expr.matchAll(/\b(?:rate|increase)\((orderonce_\w+)/g)) {
        assert.ok(counted.has(name), `${name} in ${expr}`);
      }
    }
  });

  it('lead from each alert to a section of a page that exists, and to the console', () => {
    for (const { alert, labels, annotations } of rules) {
      assert.match(labels.severity ?? '', /^(page|ticket)$/, alert);
      const [page = '', section = ''] = (annotations.runbook_url ?? '').split('#');
      assert.ok(existsSync(`${root}/${page}`), alert);
      const headings = [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
        text.toLowerCase(),
      );
      assert.ok(headings.includes(section), `${page} has no section ${section}`);
      assert.match(annotations.console ?? '', /^\/console/, alert);
      assert.ok(annotations.summary, alert);
    }
  });

  it('have for each alert a unit test that shows it, and no section of the page without one', () => {
    const tests = read('deploy/prometheus/rules-test.yml');
    const page = read('docs/alerts.md');
    const names = rules.map(({ alert }) => alert);
    for (const name of names)
      assert.match(tests, new RegExp(`alertname: ${name}\\n +exp_alerts:\\n`));
    const sections = [...page.matchAll(/^## (Orderonce\w+)$/gm)].map(([, name]) => name);
    assert.deepEqual(sections, names);
  });

  it('put each panel in a place of its own, with an id of its own', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const types = new Set(dashboard.panels.map(({ type }) => type));
    assert.ok(types.has('heatmap') && types.has('alertlist'));
    assert.equal(dashboard.panels.filter(({ type }) => type === 'row').length, 9);
  });
});
