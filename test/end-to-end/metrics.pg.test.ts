/** A real Prometheus scrapes both services: the series are those of docs/reference/metrics.md. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { allMetrics } from '../../scripts/all-metrics.ts';
import { ROWS } from '../../scripts/dashboard-rows.ts';
import { startEmbeddedServices } from '../support/embedded-services.ts';
import { wireEvent } from '../support/events.ts';
import { hasPrometheus, Prometheus } from '../support/prometheus.ts';
import { until } from '../support/until.ts';

const RULES = readFileSync(new URL('../../deploy/prometheus/rules.yml', import.meta.url), 'utf8');
/** Without a trouble and without certificates there is nothing to show. */
const WITHOUT_SERIES = [
  'orderonce_partition_trouble_seconds',
  'orderonce_certificate_expiry_timestamp_seconds',
];
/** Panels that have data whenever events are processed. */
const ALWAYS_SHOWN = [
  ...['In effect within 5 s (1 h)', 'Events by answer', 'Answer time', 'Append queue'],
  ...['From event to effect', 'Oldest record by partition', 'Records by outcome', 'Handlers'],
  ...['Time of a transaction by phase', 'Failed attempts', 'Oldest', 'Releases', 'Memory'],
];
const skip = !hasPrometheus() && process.env.CI !== 'true' && 'Prometheus is not installed';

it('Prometheus scrapes every documented series with its type, and no label without bounds', {
  skip,
}, async (t) => {
  const { producerUrl, consumerUrl } = await startEmbeddedServices(t, {
    ORDER_PROCESSED_TOPIC: 'order_processed',
    EVENTS_MODULE: fileURLToPath(new URL('../support/one-type.ts', import.meta.url)),
  });
  const post = (path: string, body: unknown) =>
    fetch(`${producerUrl}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  const event = wireEvent();
  const twice = [event, event, wireEvent({ event_id: 'no id' }), { ...wireEvent(), colour: 'red' }];
  assert.equal((await post('/events', event)).status, 202);
  assert.equal((await post('/events/batch', twice)).status, 202);
  const portOf = (url: string) => Number(new URL(url).port);
  const targets = { producer: portOf(producerUrl), consumer: portOf(consumerUrl) };
  const prometheus = await Prometheus.start({ targets, rules: RULES, intervalSeconds: 1 });
  t.after(() => prometheus.stop());
  const numberOf = async (query: string) => Number((await prometheus.query(query))[0]?.value[1]);
  await until('the outcome of all records is scraped', async () => {
    const answers = await numberOf('sum(orderonce_ingest_events_total)');
    const outcomes = await numberOf('sum(orderonce_records_total)');
    const published = await numberOf('sum(orderonce_outbox_published_total)');
    return answers === 5 && outcomes === 3 && published > 0;
  });

  const types = await prometheus.types();
  const scraped = await prometheus.query('{__name__=~"orderonce_.+"}');
  for (const { name, type, services } of await allMetrics()) {
    assert.equal(types.get(name), type, name);
    const series = type === 'histogram' ? `${name}_count` : name;
    const jobs = scraped
      .filter(({ metric }) => metric.__name__ === series)
      .map((s) => s.metric.job);
    const wanted = WITHOUT_SERIES.includes(name) ? [] : services;
    assert.deepEqual([...new Set(jobs)].sort(), [...wanted].sort(), name);
  }
  assert.equal(await numberOf('sum(orderonce_event_to_effect_seconds_count{via="api"})'), 1);
  assert.equal(await numberOf('sum(orderonce_ingest_seconds_count{route="/events/batch"})'), 1);
  assert.equal(
    await numberOf('orderonce_ingest_rejections_total{field="other",problem="extra_forbidden"}'),
    1,
  );
  assert.equal(await numberOf('max(orderonce_lag_seconds)'), 0);
  assert.equal(await numberOf('count(orderonce_dead_letters{state="parked"} == 0)'), 9);
  const values = scraped.flatMap(({ metric }) => Object.values(metric));
  for (const secret of [event.event_id, event.order_id, event.user_id, 'colour']) {
    assert.ok(!values.includes(String(secret)), `${secret} is a label`);
  }
  // A service adds its own few; most are buckets.
  assert.ok(scraped.length < 700, `${scraped.length} series`);
  // Prometheus refuses an expression that it cannot parse or evaluate.
  for (const { title, queries } of ROWS.flatMap(({ panels }) => panels)) {
    for (const [expr] of queries) {
      const ask = () => prometheus.query(expr.replaceAll('$__rate_interval', '10s'));
      await ask();
      if (!ALWAYS_SHOWN.includes(title)) continue;
      // A rate needs two samples.
      await until(`${title} has data`, async () => (await ask()).length > 0);
    }
  }
  const firing = (await prometheus.alerts()).filter(({ state }) => state === 'firing');
  assert.deepEqual(firing, [], 'an alert fires although all is well');
});
