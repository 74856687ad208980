import { Gauge, type Registry } from 'prom-client';
import type { OutboxLag } from '../store/outbox.ts';

/**
 * Adds the two gauges of the outbox: pending messages, and the age of the oldest one in seconds.
 * The age is that of the scrape before, because the registry reads it before `collect` sets it.
 *
 * @param readLag called at each scrape. While it fails, both gauges become 0 as if nothing waited.
 * An alert must therefore watch the health of the consumer as well.
 */
export function addOutboxMetrics(registry: Registry, readLag: () => Promise<OutboxLag>): void {
  const registers = [registry];
  const oldest = new Gauge({
    name: 'orderonce_outbox_oldest_seconds',
    help: 'Age of the oldest unpublished message, in seconds; 0 if there is none.',
    registers,
  });
  new Gauge({
    name: 'orderonce_outbox_pending',
    help: 'Number of unpublished messages; counting stops at 100000.',
    registers,
    async collect() {
      this.reset();
      oldest.reset();
      const lag = await readLag().catch(() => null);
      if (lag === null) return;
      this.set(lag.pending);
      oldest.set(lag.oldestSeconds);
    },
  });
}
