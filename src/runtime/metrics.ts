import { collectDefaultMetrics, Registry } from 'prom-client';
import type { HttpServer } from './http-server.ts';
import { metricsOfAllWorkers, shareMetrics } from './workers.ts';

/** One registry per service, because `orderonce start` runs two services in one process. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Adds GET /metrics. If several processes serve one port, any of them answers for all. */
export function addMetricsRoute(app: HttpServer, registry: Registry): void {
  shareMetrics(registry);
  const schema = { summary: 'Metrics in the Prometheus text format', tags: ['health'] };
  app.get('/metrics', { schema }, async (_request, reply) => {
    return reply
      .type(registry.contentType)
      .send(await (metricsOfAllWorkers() ?? registry.metrics()));
  });
}
