/** Makes spans with the API of OpenTelemetry, which startTracing() has loaded. */
import type {
  Attributes,
  Context,
  Link,
  Span,
  SpanContext,
  SpanKind,
  TimeInput,
} from '@opentelemetry/api';
import { OrderonceError } from '../errors.ts';
import type { TraceContext } from '../log/event-log.ts';
import { isSampled, spanIdOf, traceIdOf } from '../log/trace-context.ts';
import { ATTRIBUTE } from './semantic-conventions.ts';

type Api = typeof import('@opentelemetry/api');

/** What the spans of a process have in common. */
export type SpansOptions = {
  readonly api: Api;
  /** Share of the traces begun here that are recorded, from 0 to 1. */
  readonly ratio: number;
  /** Value of messaging.system.name. */
  readonly system: string;
  readonly group: string;
  readonly database: string | undefined;
};

/** A span to begin. */
export type SpanParts = {
  readonly kind: SpanKind;
  readonly attributes?: Attributes;
  /** Default: none, so that a new trace begins. */
  readonly parent?: Context;
  readonly links?: readonly Link[];
  readonly startTime?: TimeInput;
};

const TRACER = 'orderonce';

export class Spans {
  readonly api: Api;
  readonly options: SpansOptions;
  /** Says to the sampler that a new trace has already been decided on; see startTracing(). */
  readonly decided: symbol;

  constructor(options: SpansOptions) {
    this.api = options.api;
    this.options = options;
    this.decided = options.api.createContextKey('orderonce.decided');
  }

  /**
   * Whether to record: as the sender has decided, and otherwise a share of new traces. To be asked
   * before anything is done for a span, because making an unsampled one costs a microsecond.
   */
  isWanted(context: TraceContext | null): boolean {
    return context === null ? Math.random() < this.options.ratio : isSampled(context);
  }

  begin(name: string, { kind, attributes = {}, parent, links = [], startTime }: SpanParts): Span {
    const { api } = this;
    const above = (parent ?? api.ROOT_CONTEXT).setValue(this.decided, true);
    const options = { kind, attributes, links: [...links], ...(startTime && { startTime }) };
    return api.trace.getTracer(TRACER).startSpan(name, options, above);
  }

  /** The context below the span of a sender. */
  below({ traceparent, tracestate }: TraceContext): Context {
    const { api } = this;
    const span = spanContextOf({ traceparent, tracestate });
    const traceState = tracestate === null ? undefined : api.createTraceState(tracestate);
    const full = traceState === undefined ? span : { ...span, traceState };
    return api.trace.setSpanContext(api.ROOT_CONTEXT, full);
  }

  /** The context below a span of ours. */
  within(span: Span): Context {
    return this.api.trace.setSpan(this.api.ROOT_CONTEXT, span);
  }

  /**
   * Where a span belongs that concerns these contexts. A single one gives it a place in its trace;
   * among several none would be right, so it begins a trace of its own and links them.
   */
  among(contexts: readonly TraceContext[]): Pick<SpanParts, 'parent' | 'links'> {
    const [only] = contexts;
    if (only !== undefined && contexts.length === 1) return { parent: this.below(only) };
    return { links: contexts.map((context) => this.linkTo(context)) };
  }

  linkTo(context: TraceContext): Link {
    return { context: spanContextOf(context) };
  }

  /**
   * Runs `work` with the span active, ends the span, and notes why `work` failed if it did.
   * @param above what else is active meanwhile. Default: what is active now.
   */
  async run<T>(
    span: Span,
    work: () => Promise<T>,
    above: Context = this.api.context.active(),
  ): Promise<T> {
    try {
      return await this.api.context.with(this.api.trace.setSpan(above, span), work);
    } catch (error) {
      this.failWith(span, error);
      throw error;
    } finally {
      span.end();
    }
  }

  failWith(span: Span, error: unknown): void {
    this.fail(span, errorTypeOf(error));
  }

  /** Only the type is noted: messages may quote data. */
  fail(span: Span, errorType: string): void {
    span.setAttribute(ATTRIBUTE.errorType, errorType);
    span.setStatus({ code: this.api.SpanStatusCode.ERROR });
  }

  /** Attributes of spans about records of a topic. */
  messaging(topic: string, name: string, type: 'send' | 'process'): Attributes {
    return {
      [ATTRIBUTE.messagingSystem]: this.options.system,
      [ATTRIBUTE.destination]: topic,
      [ATTRIBUTE.operationName]: name,
      [ATTRIBUTE.operationType]: type,
    };
  }
}

function spanContextOf(context: TraceContext): SpanContext {
  return {
    traceId: traceIdOf(context),
    spanId: spanIdOf(context),
    traceFlags: Number.parseInt(context.traceparent.slice(-2), 16),
    isRemote: true,
  };
}

/** The context that a span gives to those who continue its trace. */
export function contextOfSpan(span: Span, tracestate: string | null): TraceContext {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return { traceparent: `00-${traceId}-${spanId}-0${traceFlags & 3}`, tracestate };
}

function errorTypeOf(error: unknown): string {
  if (error instanceof OrderonceError) return error.code;
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return String(code ?? name ?? 'Error').slice(0, 100);
}
