import { Counter, Gauge, type Registry } from 'prom-client';
import { within } from '../runtime/deadline.ts';
import { SCRAPE_MS } from '../runtime/metrics.ts';
import type { OutboxLag } from '../store/outbox.ts';

/** Topics come from handlers. Beyond this many, further ones are counted as "other". */
const TOPICS_MAX = 50;

/** What the relay reports. */
export type OutboxMeter = {
  readonly published: (topic: string, messages: number) => void;
  readonly failed: (topic: string) => void;
};

/**
 * Adds the metrics of the outbox.
 *
 * @param readLag called once for each scrape. While it fails, both gauges are absent: 0 would say that
 * nothing waits.
 */
export function addOutboxMetrics(
  registry: Registry,
  readLag: () => Promise<OutboxLag>,
): OutboxMeter {
  addGauges(registry, readLag);
  const registers = [registry];
  const published = new Counter({
    name: 'orderonce_outbox_published_total',
    help: 'Messages that this process published, by topic.',
    labelNames: ['topic'],
    registers,
  });
  const failures = new Counter({
    name: 'orderonce_outbox_failures_total',
    help: 'Failed attempts to publish messages, by topic; each is followed by another one.',
    labelNames: ['topic'],
    registers,
  });
  const known = new Set<string>();
  const labelsOf = (topic: string) => {
    if (known.has(topic)) return { topic };
    if (known.size >= TOPICS_MAX) return { topic: 'other' };
    known.add(topic);
    published.inc({ topic }, 0);
    failures.inc({ topic }, 0);
    return { topic };
  };
  return {
    published: (topic, messages) => published.inc(labelsOf(topic), messages),
    failed: (topic) => failures.inc(labelsOf(topic)),
  };
}

function addGauges(registry: Registry, readLag: () => Promise<OutboxLag>): void {
  let reading: Promise<OutboxLag | null> | null = null;
  /** All gauges of one scrape are collected in the same turn of the event loop. */
  const readOnce = () => {
    reading ??= within(SCRAPE_MS, readLag(), () => new Error('late'))
      .catch(() => null)
      .finally(() => {
        reading = null;
      });
    return reading;
  };
  const add = (name: string, help: string, read: (lag: OutboxLag) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const lag = await readOnce();
        if (lag === null) this.remove();
        else this.set(read(lag));
      },
    });
  add(
    'orderonce_outbox_oldest_seconds',
    'Age of the oldest unpublished message, in seconds; 0 if there is none.',
    ({ oldestSeconds }) => oldestSeconds,
  );
  add(
    'orderonce_outbox_pending',
    'Number of unpublished messages; counting stops at 100000.',
    ({ pending }) => pending,
  );
}
