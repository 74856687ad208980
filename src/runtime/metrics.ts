import { collectDefaultMetrics, Registry } from 'prom-client';
import type { HttpServer } from './http-server.ts';
import type { Operation } from './operation.ts';
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

/** One registry per service, because `orderonce start` runs two services in one process. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
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
