/** The spans of what goes into a log: requests with events, appends, messages of the outbox. */
import type { IncomingMessage } from 'node:http';
import type { Attributes, Span } from '@opentelemetry/api';
import {
  type AppendOutcome,
  type AppendRecord,
  isRefusal,
  type TraceContext,
} from '../log/event-log.ts';
import { contextOfRequest, TRACEPARENT, TRACESTATE, traceHeaders } from '../log/trace-context.ts';
import type { HttpServer } from '../runtime/http-server.ts';
import { contextToAppend, sampledGroups } from './sampled-records.ts';
import { ATTRIBUTE } from './semantic-conventions.ts';
import { contextOfSpan, type Spans } from './spans.ts';
import type { Recorder, Send, SendResult } from './tracing.ts';

type RequestSpan = { readonly span: Span; readonly given: TraceContext | null };

/** The part of the recorder that producers and relays use. */
export function producerSpans(
  spans: Spans,
): Pick<Recorder, 'traceRequests' | 'beginSend' | 'append' | 'publish'> {
  const requests = new WeakMap<IncomingMessage, RequestSpan>();
  return {
    traceRequests: (app) => traceRequests(spans, app, requests),
    beginSend: (request, topic) => {
      const ofRequest = requests.get(request);
      if (ofRequest !== undefined) return beginSend(spans, topic, ofRequest);
      return { trace: traceHeaders(contextOfRequest(request.headers)), end: () => {} };
    },
    append: async (topic, records, work) => {
      const groups = sampledGroups(records, contextToAppend);
      if (groups.length === 0) return await work();
      const { SpanKind } = spans.api;
      const attributes = {
        ...spans.messaging(topic, 'append', 'send'),
        [ATTRIBUTE.count]: records.length,
      };
      const among = spans.among(groups.map(({ context }) => context));
      const span = spans.begin(`append ${topic}`, { kind: SpanKind.CLIENT, attributes, ...among });
      return await spans.run(span, work);
    },
    publish: (topic, records, append) => publish(spans, topic, records, append),
  };
}

/** Begins a span for each POST that is sampled. It ends with the answer, or with the connection. */
function traceRequests(
  spans: Spans,
  app: HttpServer,
  requests: WeakMap<IncomingMessage, RequestSpan>,
): void {
  const { SpanKind } = spans.api;
  app.addHook('onRequest', ({ raw, method, headers, routeOptions: { url = '' } }, reply, done) => {
    const given = method === 'POST' ? contextOfRequest(headers) : null;
    if (method !== 'POST' || !spans.isWanted(given)) return done();
    const attributes = { [ATTRIBUTE.httpMethod]: method, [ATTRIBUTE.httpRoute]: url };
    const parent = given === null ? {} : { parent: spans.below(given) };
    const span = spans.begin(`${method} ${url}`.trimEnd(), {
      kind: SpanKind.SERVER,
      attributes,
      ...parent,
    });
    requests.set(raw, { span, given });
    reply.raw.once('close', () => {
      const { statusCode } = reply.raw;
      span.setAttribute(ATTRIBUTE.httpStatus, statusCode);
      if (statusCode >= 500) spans.fail(span, String(statusCode));
      span.end();
    });
    done();
  });
}

function beginSend(spans: Spans, topic: string, { span: above, given }: RequestSpan): Send {
  const span = spans.begin(`send ${topic}`, {
    kind: spans.api.SpanKind.PRODUCER,
    attributes: spans.messaging(topic, 'send', 'send'),
    parent: spans.within(above),
  });
  return {
    trace: traceHeaders(contextOfSpan(span, given?.tracestate ?? null)),
    end: (result) => {
      span.setAttributes(attributesOf(result));
      if (result.errorType !== undefined) spans.fail(span, result.errorType);
      span.end();
    },
  };
}

function attributesOf({ count, eventId, partition, offset }: SendResult): Attributes {
  return {
    ...(count !== undefined && { [ATTRIBUTE.count]: count }),
    ...(eventId !== undefined && { [ATTRIBUTE.messageId]: eventId }),
    ...(partition !== undefined && { [ATTRIBUTE.partition]: String(partition) }),
    ...(offset !== undefined && { [ATTRIBUTE.offset]: offset }),
  };
}

/** Each sampled message gets a span in the trace of its event, and carries that span on. */
async function publish(
  spans: Spans,
  topic: string,
  records: readonly AppendRecord[],
  append: (records: readonly AppendRecord[]) => Promise<AppendOutcome[]>,
): Promise<AppendOutcome[]> {
  const begun = new Map<AppendRecord, Span>();
  const contexts = new Map<AppendRecord, TraceContext>();
  const attributes = spans.messaging(topic, 'send', 'send');
  for (const { context, records: same } of sampledGroups(records, contextToAppend)) {
    for (const record of same) {
      const { SpanKind } = spans.api;
      const parts = { kind: SpanKind.PRODUCER, attributes, parent: spans.below(context) };
      const span = spans.begin(`send ${topic}`, parts);
      begun.set(record, span);
      contexts.set(record, contextOfSpan(span, context.tracestate));
    }
  }
  if (begun.size === 0) return await append(records);
  try {
    const outcomes = await append(records.map((record) => carrying(record, contexts.get(record))));
    for (const [i, record] of records.entries()) {
      const span = begun.get(record);
      const outcome = outcomes[i];
      if (span === undefined || outcome === undefined) continue;
      if (isRefusal(outcome)) spans.fail(span, outcome.code);
      else span.setAttributes(attributesOf(outcome));
    }
    return outcomes;
  } catch (error) {
    for (const span of begun.values()) spans.failWith(span, error);
    throw error;
  } finally {
    for (const span of begun.values()) span.end();
  }
}

const CARRIERS = [TRACEPARENT, TRACESTATE];

function carrying(record: AppendRecord, context: TraceContext | undefined): AppendRecord {
  if (context === undefined) return record;
  const { headers = [] } = record;
  const others = headers.filter(([name]) => !CARRIERS.includes(String(name)));
  return { ...record, headers: [...others, ...traceHeaders(context)] };
}
