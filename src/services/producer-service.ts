/** The producer service: it accepts events over HTTP and appends them to the log. */

import { addAccess } from '../access/access.ts';
import { addAccessMetrics } from '../access/access-metrics.ts';
import { knownTypesOf } from '../event/declared-events.ts';
import { eventSchemaOf } from '../event/event-schema.ts';
import { AppendFailures } from '../ingest/append-failures.ts';
import { APPEND_BYTES_MAX, AppendQueue } from '../ingest/append-queue.ts';
import { addBatchRoute } from '../ingest/batch-route.ts';
import { addEventRoutes } from '../ingest/event-routes.ts';
import { addIngestMetrics, type IngestMeter } from '../ingest/ingest-metrics.ts';
import { logTroubles } from '../ingest/producer-troubles.ts';
import { addRootRoute } from '../ingest/root-route.ts';
import type { LogAppender } from '../log/event-log.ts';
import { RequestIds } from '../log/request-id.ts';
import { addCertificateMetrics } from '../runtime/certificate-metrics.ts';
import { addHealthRoutes, EVENT_TYPES, type FactsDescription, Probe } from '../runtime/health.ts';
import { HealthLog } from '../runtime/health-log.ts';
import { closeServer, createHttpServer, listen } from '../runtime/http-server.ts';
import type { Logger } from '../runtime/logger.ts';
import { addDependencyMetrics, addMetricsRoute, createRegistry } from '../runtime/metrics.ts';
import { baseUrlOf, consumerPlace, producerPlace } from '../runtime/port.ts';
import type { Service } from '../runtime/service.ts';
import { serverTlsOf } from '../runtime/tls.ts';
import type { Settings } from '../settings/settings.ts';
import { traceRequests } from '../tracing/tracing.ts';
import { eventModelOf } from './event-model.ts';

const PROBE_MS = 2000;
/** Time for closing the log. Appends in flight were already answered as unknown by then. */
const LOG_CLOSE_MS = 1000;

const API = {
  title: 'Orderonce ingest API',
  description:
    'Accepts order events. Delivery is at least once; each event takes effect exactly once.',
};
const HEALTH_FACTS: FactsDescription = {
  schemas: {
    service: { const: 'producer' },
    topic: { type: 'string' },
    event_types: EVENT_TYPES,
    queued: { type: 'integer', minimum: 0, description: 'Events that wait for the log.' },
    warnings: { type: 'array', items: { type: 'string' }, description: 'What to correct.' },
  },
  example: { service: 'producer', topic: 'order_events', event_types: [], queued: 0, warnings: [] },
};

/** `port` is the actual port, also if the setting is 0. */
export type ProducerService = Service & { readonly port: number };

/**
 * Starts without waiting for the log. While the log does not answer, the service is not ready; it
 * becomes ready when the log does.
 * @throws PORT_TAKEN; SETTING_INVALID if a file of the settings cannot be used.
 */
export async function startProducer(
  settings: Settings,
  log: LogAppender,
  logger: Logger,
): Promise<ProducerService> {
  const { rules } = await eventModelOf(settings);
  const registry = createRegistry('producer');
  const meter = addIngestMetrics(registry, () => queue);
  const queue: AppendQueue = createQueue(settings, log, meter);
  let found: readonly string[] = [];
  const probe = new Probe(async () => {
    const before = queue.failures;
    found = await log.check();
    // While the service is unhealthy, perhaps nobody sends to it, so that no successful append can
    // show that the trouble is over. A successful check clears the failures before it instead.
    queue.forgive(before);
  });
  let draining = false;
  const app = await createHttpServer({
    ...API,
    schemas: { Event: eventSchemaOf(rules.declared, '#/components/schemas/Event') },
    needsKey: settings.API_KEYS_FILE !== undefined,
    bodyBytesMax: rules.bytesMax,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    logger,
    tls: serverTlsOf(settings),
  });
  traceRequests(app);
  const access = addAccess(app, settings, logger, () => 'ingest', addAccessMetrics(registry));
  addDependencyMetrics(registry, { log: () => probe.trouble === null });
  addCertificateMetrics(registry, settings);
  addMetricsRoute(app, registry);
  const statusUrl = statusUrlOf(settings);
  const failures = new AppendFailures(logger);
  const { topic } = log;
  const ofRoutes = { queue, requestIds: new RequestIds(), rules, topic, meter, failures };
  addEventRoutes(app, { ...ofRoutes, statusUrl });
  addRootRoute(app, statusUrl);
  await addBatchRoute(app, { ...ofRoutes, access });
  const facts = { service: 'producer', topic, event_types: knownTypesOf(rules.declared) };
  const health = () => {
    const { all, part } = logTroubles(queue, probe.trouble, found);
    return {
      troubles: [...(draining ? ['Draining: the service is stopping'] : []), ...all],
      partial: part,
      facts: { ...facts, queued: queue.size, warnings: access.warnings() },
    };
  };
  addHealthRoutes(app, health, HEALTH_FACTS);
  const healthLog = new HealthLog(logger, health);
  const port = await listen(app, producerPlace(settings));
  void probe.start(PROBE_MS);
  healthLog.start();
  return {
    port,
    stop: async () => {
      if (draining) return;
      draining = true;
      probe.stop();
      healthLog.stop();
      access.stop();
      await closeServer(app, queue.drain());
      failures.stop();
      await log.close(LOG_CLOSE_MS);
    },
  };
}

function createQueue(settings: Settings, log: LogAppender, meter: IngestMeter): AppendQueue {
  return new AppendQueue(log, {
    deadlineMs: settings.DELIVERY_DEADLINE_MS,
    itemsMax: settings.APPEND_QUEUE_MAX,
    batchItemsMax: settings.APPEND_BATCH_MAX,
    batchBytesMax: APPEND_BYTES_MAX,
    onAppended: meter.appended,
  });
}

function statusUrlOf(settings: Settings): string {
  const base = settings.STATUS_BASE_URL ?? baseUrlOf(consumerPlace(settings));
  // It is sent in a Location header, so it must be ASCII; URL encodes other characters.
  return new URL(base).href.replace(/\/+$/, '');
}
