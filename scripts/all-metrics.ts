/** The metrics that the code registers, without the services that fill them. */
import type { Registry } from 'prom-client';
import { addAccessMetrics } from '../src/access/access-metrics.ts';
import { addDatabaseMetrics } from '../src/admin/database-metrics.ts';
import { addProofMetrics } from '../src/admin/proof-metrics.ts';
import { addRedriveMetrics } from '../src/admin/redrive-metrics.ts';
import { addConsumerMetrics } from '../src/consume/consumer-metrics.ts';
import { addIngestMetrics } from '../src/ingest/ingest-metrics.ts';
import { addOutboxMetrics } from '../src/outbox/outbox-metrics.ts';
import { addCertificateMetrics } from '../src/runtime/certificate-metrics.ts';
import { addDependencyMetrics, createRegistry } from '../src/runtime/metrics.ts';

export type MetricFacts = {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** The services that have it. */
  readonly services: readonly ('producer' | 'consumer')[];
};

function ofProducer(registry: Registry): void {
  addIngestMetrics(registry, () => ({ size: 0, itemsMax: 0, oldestMs: 0 }));
}

function ofConsumer(registry: Registry): void {
  addConsumerMetrics(registry, {
    partitions: () => [],
    ends: async () => new Map(),
    handlers: [],
    types: [],
    acceptedOffsets: async () => null,
  });
  addDatabaseMetrics(
    registry,
    async () => null,
    () => 0,
  );
  addProofMetrics(registry, () => Promise.reject());
  addOutboxMetrics(registry, () => Promise.reject());
  addRedriveMetrics(registry);
}

/** All metrics of our own, in the order of docs/reference/metrics.md: not those of Node. */
export async function allMetrics(): Promise<MetricFacts[]> {
  const found = new Map<string, MetricFacts>();
  for (const service of ['producer', 'consumer'] as const) {
    const registry = createRegistry(service);
    (service === 'producer' ? ofProducer : ofConsumer)(registry);
    addAccessMetrics(registry);
    addDependencyMetrics(registry, {});
    addCertificateMetrics(registry, {});
    for (const { name, type, help } of await registry.getMetricsAsJSON()) {
      if (!name.startsWith('orderonce_')) continue;
      const services = [...(found.get(name)?.services ?? []), service];
      found.set(name, { name, type: String(type), help, services });
    }
  }
  return [...found.values()].sort((a, b) => a.services.length - b.services.length);
}
