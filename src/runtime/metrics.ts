import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { HttpServer } from './http-server.ts';
import type { Operation } from './operation.ts';
import { VERSION } from './version.ts';
import { metricsOfAllWorkers, shareMetrics } from './workers.ts';

const GET_METRICS: Operation = {
  summary: 'Metrics in the Prometheus text format',
  tags: ['health'],
  responses: {
    200: {
      description: 'The metrics of all processes that serve this port.',
      content: {
        'text/plain': {
          schema: { type: 'string' },
          example: '# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1764547200',
        },
      },
    },
  },
};

/**
 * How long a scrape waits for the log or for PostgreSQL. Prometheus gives up after 10 s by default,
 * and would then have no metric at all while one of them is frozen.
 */
export const SCRAPE_MS = 2000;

/** One registry per service, because `orderonce start` runs two services in one process. */
export function createRegistry(service: 'producer' | 'consumer'): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'orderonce_build_info',
    help: 'Always 1; the labels tell the service and its release.',
    labelNames: ['service', 'version'],
    registers: [registry],
    aggregator: 'first',
  }).set({ service, version: VERSION }, 1);
  return registry;
}

/**
 * Adds a gauge for what the service depends on.
 * @param isUp for each dependency, called at each scrape.
 */
export function addDependencyMetrics(
  registry: Registry,
  isUp: Readonly<Record<string, () => boolean>>,
): void {
  new Gauge({
    name: 'orderonce_dependency_up',
    help: '1 while the dependency (log, database) can be used, as health says; otherwise 0.',
    labelNames: ['dependency'],
    registers: [registry],
    aggregator: 'min',
    collect() {
      for (const [dependency, up] of Object.entries(isUp)) this.set({ dependency }, up() ? 1 : 0);
    },
  });
}

/** Adds GET /metrics. If several processes serve one port, any of them answers for all. */
export function addMetricsRoute(app: HttpServer, registry: Registry): void {
  shareMetrics(registry);
  app.get('/metrics', { config: { operation: GET_METRICS } }, async (_request, reply) => {
    return reply
      .type(registry.contentType)
      .send(await (metricsOfAllWorkers() ?? registry.metrics()));
  });
}
