import { Gauge, type Registry } from 'prom-client';
import type { OutboxLag } from '../store/outbox.ts';

/** @param readLag asked at each scrape; the gauges are absent while it fails. */
export function addOutboxMetrics(registry: Registry, readLag: () => Promise<OutboxLag>): void {
  const registers = [registry];
  const oldest = new Gauge({
    name: 'orderonce_outbox_oldest_seconds',
    help: 'Age of the oldest message that is not published yet; 0 where there is none.',
    registers,
  });
  new Gauge({
    name: 'orderonce_outbox_pending',
    help: 'Messages that are not published yet, counted up to 100000.',
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
