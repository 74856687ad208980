/** Starts tracing, if OTEL_EXPORTER_OTLP_ENDPOINT asks for it. */
import { randomUUID } from 'node:crypto';
import type { Attributes, Context, Link, SpanKind } from '@opentelemetry/api';
import { reasonOf } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import { VERSION } from '../runtime/version.ts';
import { parseDatabaseUrl } from '../settings/database-url.ts';
import { headersOf } from '../settings/otlp-headers.ts';
import { splitSchema } from '../settings/schema-url.ts';
import type { Settings } from '../settings/settings.ts';
import { CollectorLog, SPANS_MAX } from './collector-log.ts';
import { consumerSpans } from './consumer-spans.ts';
import { producerSpans } from './producer-spans.ts';
import { ATTRIBUTE } from './semantic-conventions.ts';
import { Spans } from './spans.ts';
import { setRecorder } from './tracing.ts';

/** How long finished spans wait for others before they are sent, in ms. */
const DELAY_MS = 1000;
/** How long stop() waits for the collector. Spans that it has not taken by then are lost. */
const FLUSH_MS = 1000;

type Packages = Awaited<ReturnType<typeof loadPackages>>;

/**
 * Turns tracing on for this process if the settings ask for it. If the packages are not installed
 * (they are optional), it logs a warning and leaves tracing off: traces are no reason not to work.
 *
 * @param service `producer`, `consumer` or `start`; the name in traces unless OTEL_SERVICE_NAME is set.
 * @returns a service whose stop() sends what is left, within a second. Stop it last.
 */
export async function startTracing(
  settings: Settings,
  service: string,
  logger: Logger,
): Promise<Service> {
  if (settings.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return { stop: async () => {} };
  try {
    return start(await loadPackages(), settings, service, logger);
  } catch (error) {
    const fields = { reason: reasonOf(error) };
    logger.warn(fields, 'Tracing is off: the packages @opentelemetry/* cannot be loaded');
    return { stop: async () => {} };
  }
}

/** The only place that loads them. They take 0.2 s and 20 MB, which nobody pays who does not trace. */
async function loadPackages() {
  const [api, sdk, exporter, hooks, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/resources'),
  ]);
  return { api, sdk, exporter, hooks, resources };
}

function start(packages: Packages, settings: Settings, service: string, logger: Logger): Service {
  const { api, sdk, exporter, hooks, resources } = packages;
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint = '', OTEL_EXPORTER_OTLP_HEADERS } = settings;
  const spans = new Spans({ api, ...factsOf(settings) });
  const otlp = new exporter.OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    headers: headersOf(OTEL_EXPORTER_OTLP_HEADERS ?? ''),
  });
  const log = new CollectorLog(logger);
  const batching = new sdk.BatchSpanProcessor({
    exporter: log.exporter(otlp),
    maxQueueSize: SPANS_MAX,
    scheduledDelayMillis: DELAY_MS,
  });
  const detectors = [resources.envDetector];
  const base = resources.defaultResource().merge(resources.detectResources({ detectors }));
  const provider = new sdk.TracerProvider({
    resource: base.merge(
      resources.resourceFromAttributes({
        [ATTRIBUTE.serviceName]: settings.OTEL_SERVICE_NAME ?? `orderonce-${service}`,
        [ATTRIBUTE.serviceVersion]: VERSION,
        [ATTRIBUTE.serviceInstance]: randomUUID(),
      }),
    ),
    sampler: samplerOf(packages, spans),
    spanProcessors: [log.processor(batching)],
  });
  // Global, so that what handlers and their libraries record becomes part of the same traces. If a
  // team has installed its own SDK before, that stays, and only our spans go through ours.
  api.trace.setGlobalTracerProvider(provider);
  api.context.setGlobalContextManager(new hooks.AsyncLocalStorageContextManager().enable());
  setRecorder({ ...producerSpans(spans), ...consumerSpans(spans) });
  return {
    stop: async () => {
      setRecorder(null);
      const late = () => new Error('The collector does not answer');
      await within(FLUSH_MS, provider.shutdown(), late).catch(() => {});
    },
  };
}

function factsOf(settings: Settings) {
  const url = settings.DATABASE_URL;
  return {
    ratio: settings.OTEL_TRACES_SAMPLER_ARG,
    system: settings.KAFKA_BOOTSTRAP_SERVERS === undefined ? 'orderonce_embedded' : 'kafka',
    group: settings.KAFKA_GROUP_ID,
    database: url === undefined ? undefined : parseDatabaseUrl(splitSchema(url).url).database,
  };
}

/**
 * Our own spans are decided on before they are made (Spans.isWanted). What handlers record outside
 * of them follows its parent, or is sampled by the same ratio.
 */
function samplerOf({ sdk }: Packages, spans: Spans) {
  const root = new sdk.TraceIdRatioBasedSampler(spans.options.ratio);
  const others = new sdk.ParentBasedSampler({ root });
  const decided = { decision: sdk.SamplingDecision.RECORD_AND_SAMPLED };
  return {
    shouldSample: (
      context: Context,
      traceId: string,
      name: string,
      kind: SpanKind,
      attributes: Attributes,
      links: Link[],
    ) =>
      context.getValue(spans.decided) === true
        ? decided
        : others.shouldSample(context, traceId, name, kind, attributes, links),
    toString: () => `Orderonce(${others})`,
  };
}
