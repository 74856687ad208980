/** `POST /events`, and the redirect from `GET /events/{event_id}` to the status of an event. */

import type { FastifyReply } from 'fastify';
import type { EventRules } from '../event/event-rules.ts';
import type { RequestIds } from '../log/request-id.ts';
import { traceIdIn } from '../log/trace-context.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { beginSend, type SendResult } from '../tracing/tracing.ts';
import { type Acceptance, acceptEvent } from './accept-event.ts';
import type { AppendFailures } from './append-failures.ts';
import type { AppendQueue } from './append-queue.ts';
import { GET_EVENT_REDIRECT, POST_EVENT } from './event-operations.ts';
import type { IngestMeter } from './ingest-metrics.ts';

const RETRY_AFTER_SECONDS = '1';

/** @property statusUrl base URL of the consumer service, which answers for the status of events. */
type EventRouteParts = {
  readonly queue: AppendQueue;
  readonly requestIds: RequestIds;
  readonly rules: EventRules;
  readonly topic: string;
  readonly statusUrl: string;
  readonly meter: Pick<IngestMeter, 'answered'>;
  readonly failures: AppendFailures;
};

/**
 * Adds both routes. Each answered POST is counted; one that the log did not acknowledge is logged.
 */
export function addEventRoutes(app: HttpServer, parts: EventRouteParts): void {
  const { queue, requestIds, rules, topic, statusUrl, meter, failures } = parts;
  app.post<{ Body: Buffer | undefined }>(
    '/events',
    { config: { operation: POST_EVENT } },
    async (request, reply) => {
      const started = performance.now();
      const requestId = requestIds.next();
      // Set before anything can fail, so that a client can quote the id of a request answered 500.
      reply.header('Orderonce-Request-Id', requestId);
      const send = beginSend(request.raw, topic);
      const origin = { requestId, trace: send.trace };
      const body = request.body ?? Buffer.alloc(0);
      const acceptance = await acceptEvent({ queue, rules }, origin, body);
      send.end(resultOf(acceptance));
      meter.answered(acceptance, (performance.now() - started) / 1000);
      if (acceptance.status === 'unknown') {
        failures.note(acceptance.reason, { requestId, traceId: traceIdIn(send.trace) });
      }
      return answer(reply, acceptance, topic, statusUrl);
    },
  );
  app.get<{ Params: { event_id: string } }>(
    '/events/:event_id',
    { config: { operation: GET_EVENT_REDIRECT } },
    (request, reply) => {
      const [, query] = request.url.split('?');
      const id = encodeURIComponent(request.params.event_id);
      const target = `${statusUrl}/events/${id}`;
      return reply.redirect(query === undefined ? target : `${target}?${query}`, 307);
    },
  );
}

function resultOf(acceptance: Acceptance): SendResult {
  if (acceptance.status === 'accepted') {
    return { eventId: acceptance.eventId, ...acceptance.position };
  }
  return { errorType: acceptance.status === 'rejected' ? 'rejected' : acceptance.code };
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
        .header('Location', `${statusUrl}/events/${encodeURIComponent(eventId)}`)
        .header('Orderonce-Topic', topic)
        .header('Orderonce-Partition', position.partition)
        .header('Orderonce-Offset', position.offset)
        .type('application/json; charset=utf-8')
        .send(`{"status":"accepted","event_id":${JSON.stringify(eventId)}}`);
    }
    case 'rejected':
      return sendDetail(reply, acceptance.isTooLarge === true ? 413 : 422, acceptance.errors);
    case 'unknown':
      return sendDetail(reply, 500, 'Internal Server Error');
    case 'refused':
      return sendDetail(reply.header('Retry-After', RETRY_AFTER_SECONDS), 503, acceptance.reason);
  }
}
