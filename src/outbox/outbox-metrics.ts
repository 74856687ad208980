import { Gauge, type Registry } from 'prom-client';
import type { OutboxLag } from '../store/outbox.ts';

/**
 * Adds the two gauges of the outbox: pending messages, and the age of the oldest one in seconds.
 *
 * @param readLag called once for each scrape. While it fails, both gauges are absent: 0 would say that
 * nothing waits.
 */
export function addOutboxMetrics(registry: Registry, readLag: () => Promise<OutboxLag>): void {
  let reading: Promise<OutboxLag | null> | null = null;
  /** All gauges of one scrape are collected in the same turn of the event loop. */
  const readOnce = () => {
    reading ??= readLag()
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
