/**
 * `POST /events/batch`: accepts a JSON array or NDJSON, and answers with a verdict for each item.
 */

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Access } from '../access/access.ts';
import type { EventRules } from '../event/event-rules.ts';
import type { RequestIds } from '../log/request-id.ts';
import { traceIdIn } from '../log/trace-context.ts';
import type { HttpServer } from '../runtime/http-server.ts';
import { JSON_TYPES, NDJSON_TYPES } from '../runtime/media-type.ts';
import {
  type BodyContent,
  type BodyRules,
  discardRest,
  openBody,
} from '../runtime/request-body.ts';
import { beginSend, type SendResult } from '../tracing/tracing.ts';
import { acceptBatch, BODY_BYTES_MAX, type ItemVerdict } from './accept-batch.ts';
import type { AppendFailures } from './append-failures.ts';
import type { AppendQueue } from './append-queue.ts';
import type { BodyForm } from './body-items.ts';
import { POST_BATCH } from './event-operations.ts';
import type { IngestMeter } from './ingest-metrics.ts';

const RULES: BodyRules<BodyForm> = {
  forms: [
    [JSON_TYPES, 'array'],
    [NDJSON_TYPES, 'lines'],
  ],
  advice: 'Send application/json (an array) or application/x-ndjson (an event per line), in UTF-8',
  bytesMax: BODY_BYTES_MAX,
};

type BatchBody = { readonly form: BodyForm; readonly content: BodyContent };
type BatchRequest = FastifyRequest<{ Body: BatchBody | undefined }>;

export type BatchRouteParts = {
  readonly queue: AppendQueue;
  readonly requestIds: RequestIds;
  readonly rules: EventRules;
  readonly meter: Pick<IngestMeter, 'answeredBatch'>;
  readonly access: Pick<Access, 'spend'>;
  readonly failures: AppendFailures;
  readonly topic: string;
};

/** Adds the route in a scope of its own, because its body is read as a stream. */
export async function addBatchRoute(app: HttpServer, parts: BatchRouteParts): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', async (request: FastifyRequest) =>
      openBody(request.raw, RULES),
    );
    scope.post(
      '/events/batch',
      { config: { operation: POST_BATCH } },
      (request: BatchRequest, reply) => handle(request, reply, parts),
    );
  });
}

async function handle(
  request: BatchRequest,
  reply: FastifyReply,
  { queue, requestIds, rules, meter, access, failures, topic }: BatchRouteParts,
): Promise<FastifyReply> {
  const started = performance.now();
  const { form, content } = request.body ?? openBody(request.raw, RULES);
  const send = beginSend(request.raw, topic);
  const parts = { queue, requestIds, rules, trace: send.trace };
  let verdicts: readonly ItemVerdict[] = [];
  try {
    verdicts = await acceptBatch(parts, content.chunks(), form);
  } finally {
    send.end(resultOf(verdicts));
  }
  meter.answeredBatch(verdicts, (performance.now() - started) / 1000);
  noteFailures(failures, verdicts, traceIdIn(send.trace));
  access.spend(request, verdicts.length - 1);
  await discardRest(request.raw, reply.raw);
  return answer(reply, verdicts);
}

/** An invalid item is no failure to send the others; a body that was refused has no items. */
function resultOf(verdicts: readonly ItemVerdict[]): SendResult {
  const failed = verdicts.find(({ status }) => status === 'unknown' || status === 'refused');
  const isRefused = verdicts.every(({ status }) => status === 'rejected');
  return {
    count: verdicts.length,
    errorType: failed?.status ?? (isRefused ? 'rejected' : undefined),
  };
}

/**
 * Logs the unknown events of a batch by cause, each cause with the request id of its first event.
 */
function noteFailures(
  failures: AppendFailures,
  verdicts: readonly ItemVerdict[],
  traceId: string | undefined,
): void {
  const unknown = verdicts.filter((verdict) => verdict.status === 'unknown');
  for (const [reason, same] of Map.groupBy(unknown, (verdict) => verdict.reason)) {
    failures.note(reason, { requestId: same[0]?.requestId ?? '', traceId }, same.length);
  }
}

function answer(reply: FastifyReply, verdicts: readonly ItemVerdict[]): FastifyReply {
  const count = (wanted: ItemVerdict['status']) =>
    verdicts.reduce((sum, { status }) => sum + (status === wanted ? 1 : 0), 0);
  const [accepted, rejected] = [count('accepted'), count('rejected')];
  const [unknown, refused] = [count('unknown'), count('refused')];
  const results = verdicts.map(resultText).join(',');
  const text = `{"accepted":${accepted},"rejected":${rejected},"results":[${results}]}`;
  if (refused > 0) reply.header('Retry-After', '1');
  // 500: the outcome of some is unknown. 503: some were refused. 202: all valid ones are in the
  // log.
  const status = unknown > 0 ? 500 : refused > 0 ? 503 : accepted > 0 ? 202 : 422;
  return reply.code(status).type('application/json; charset=utf-8').send(text);
}

/**
 * One result as JSON. Accepted ones are the most frequent, so their text is put together directly.
 */
function resultText(verdict: ItemVerdict, index: number): string {
  if (verdict.status === 'accepted') {
    const { eventId, position } = verdict;
    return (
      `{"index":${index},"event_id":${JSON.stringify(eventId)},"status":"accepted",` +
      `"partition":${position.partition},"offset":${position.offset}}`
    );
  }
  if (verdict.status === 'rejected') {
    return JSON.stringify({ index, status: 'rejected', detail: verdict.errors });
  }
  const { status, eventId } = verdict;
  const detail = verdict.status === 'refused' ? { detail: verdict.reason } : {};
  return JSON.stringify({ index, event_id: eventId, status, ...detail });
}
