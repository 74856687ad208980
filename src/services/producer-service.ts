/** The producer service: HTTP in front of the log. */
import type { FastifyReply } from 'fastify';
import { addAccess } from '../access/access.ts';
import { EVENT_BYTES_MAX } from '../event/parse-event.ts';
import { type Acceptance, acceptEvent } from '../ingest/accept-event.ts';
import { AppendFailures } from '../ingest/append-failures.ts';
import { AppendQueue } from '../ingest/append-queue.ts';
import { addBatchRoute } from '../ingest/batch-route.ts';
import { POST_EVENT_SCHEMA } from '../ingest/event-schema.ts';
import { addIngestMetrics, type NoteAnswer } from '../ingest/ingest-metrics.ts';
import { logTroubles } from '../ingest/producer-troubles.ts';
import type { LogAppender } from '../log/event-log.ts';
import { RequestIds } from '../log/request-id.ts';
import { addHealthRoutes, Probe } from '../runtime/health.ts';
import { HealthLog } from '../runtime/health-log.ts';
import {
  closeServer,
  createHttpServer,
  type HttpServer,
  listen,
  sendDetail,
} from '../runtime/http-server.ts';
import type { Logger } from '../runtime/logger.ts';
import { addMetricsRoute, createRegistry } from '../runtime/metrics.ts';
import { baseUrlOf, consumerPlace, producerPlace } from '../runtime/port.ts';
import type { Service } from '../runtime/service.ts';
import { serverTlsOf } from '../runtime/tls.ts';
import type { Settings } from '../settings/settings.ts';

const PROBE_MS = 2000;
/** Below Kafka's 1 MiB per batch, with room for the records' own overhead. */
const BATCH_BYTES_MAX = 512 * 1024;
/** For the log's client to hang up; what it has in flight is unknown to its callers already. */
const LOG_CLOSE_MS = 1000;
const RETRY_AFTER_SECONDS = '1';

export type ProducerService = Service & { readonly port: number };

/** Starts at once, also while the log is down: not ready then, and ready when it comes. */
export async function startProducer(
  settings: Settings,
  log: LogAppender,
  logger: Logger,
): Promise<ProducerService> {
  const queue = new AppendQueue(log, {
    deadlineMs: settings.DELIVERY_DEADLINE_MS,
    itemsMax: settings.APPEND_QUEUE_MAX,
    batchItemsMax: settings.APPEND_BATCH_MAX,
    batchBytesMax: BATCH_BYTES_MAX,
  });
  let found: readonly string[] = [];
  const probe = new Probe(async () => {
    const before = queue.failures;
    found = await log.check();
    // While health is red nobody may send: no append would ever show that the trouble is over.
    queue.forgive(before);
  });
  let draining = false;
  const app = await createHttpServer({
    title: 'Orderonce ingest API',
    description: 'Order events in; at-least-once delivery, exactly-once effect.',
    bodyBytesMax: EVENT_BYTES_MAX,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    logger,
    tls: serverTlsOf(settings),
  });
  const access = addAccess(app, settings, logger, () => 'ingest');
  const registry = createRegistry();
  addMetricsRoute(app, registry);
  const requestIds = new RequestIds();
  const { noteAnswer, noteBatch } = addIngestMetrics(registry, () => queue.size);
  const statusUrl = statusUrlOf(settings);
  const failures = new AppendFailures(logger);
  addEventRoutes(app, { queue, requestIds, topic: log.topic, statusUrl, noteAnswer, failures });
  await addBatchRoute(app, { queue, requestIds, noteBatch, access, failures });
  const health = () => {
    const { all, part } = logTroubles(queue, probe.trouble, found);
    return {
      troubles: [...(draining ? ['Draining: the service is stopping'] : []), ...all],
      partial: part,
      facts: {
        service: 'producer',
        topic: log.topic,
        queued: queue.size,
        warnings: access.warnings(),
      },
    };
  };
  addHealthRoutes(app, health);
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
      await log.close(LOG_CLOSE_MS);
    },
  };
}

type EventRouteParts = {
  readonly queue: AppendQueue;
  readonly requestIds: RequestIds;
  readonly topic: string;
  readonly statusUrl: string;
  readonly noteAnswer: NoteAnswer;
  readonly failures: AppendFailures;
};

function addEventRoutes(app: HttpServer, parts: EventRouteParts): void {
  const { queue, requestIds, topic, statusUrl, noteAnswer, failures } = parts;
  app.post<{ Body: Buffer | undefined }>(
    '/events',
    { schema: POST_EVENT_SCHEMA, validatorCompiler: () => () => true },
    async (request, reply) => {
      const started = performance.now();
      const requestId = requestIds.next();
      // Before anything can fail: whoever asks about a 500 can name it.
      reply.header('Orderonce-Request-Id', requestId);
      const acceptance = await acceptEvent(queue, requestId, request.body ?? Buffer.alloc(0));
      noteAnswer(acceptance.status, (performance.now() - started) / 1000);
      if (acceptance.status === 'unknown') failures.note(acceptance.reason, requestId);
      return answer(reply, acceptance, topic, statusUrl);
    },
  );
  app.get<{ Params: { event_id: string } }>(
    '/events/:event_id',
    { schema: { summary: 'Redirects to where the status can be read', tags: ['events'] } },
    (request, reply) => {
      const [, query] = request.url.split('?');
      const id = encodeURIComponent(request.params.event_id);
      const target = `${statusUrl}/events/${id}`;
      return reply.redirect(query === undefined ? target : `${target}?${query}`, 307);
    },
  );
}

function answer(
  reply: FastifyReply,
  acceptance: Acceptance,
  topic: string,
  statusUrl: string,
): FastifyReply {
  switch (acceptance.status) {
    case 'accepted': {
      const { eventId, position } = acceptance;
      return reply
        .code(202)
        .header('Location', `${statusUrl}/events/${eventId}`)
        .header('Orderonce-Topic', topic)
        .header('Orderonce-Partition', position.partition)
        .header('Orderonce-Offset', position.offset)
        .type('application/json; charset=utf-8')
        .send(`{"status":"accepted","event_id":"${eventId}"}`);
    }
    case 'rejected':
      return sendDetail(reply, acceptance.isTooLarge === true ? 413 : 422, acceptance.errors);
    case 'unknown':
      return sendDetail(reply, 500, 'Internal Server Error');
    case 'refused':
      return sendDetail(reply.header('Retry-After', RETRY_AFTER_SECONDS), 503, acceptance.reason);
  }
}

function statusUrlOf(settings: Settings): string {
  const base = settings.STATUS_BASE_URL ?? baseUrlOf(consumerPlace(settings));
  // As a header must have it: in ASCII.
  return new URL(base).href.replace(/\/+$/, '');
}
