/** Watches the way of spans to the collector, so that who looks for a trace in vain learns why. */
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import { reasonOf } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';

/** The most finished spans that wait to be sent. */
export const SPANS_MAX = 2048;
/** The value of ExportResultCode.SUCCESS. */
const SUCCESS = 0;
/** The queue counts as large enough again when it was not full for this long, in ms. */
const QUIET_MS = 10_000;

/**
 * Counts the spans that are lost, and logs once when that begins and once when it is over: because
 * the collector does not take them, or because more spans end than it takes. Events are not affected.
 */
export class CollectorLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  #waiting = 0;
  #lost = 0;
  #isFailing = false;
  /** When a span last found the queue full; null if that is over. */
  #fullAt: number | null = null;

  /** @param now milliseconds, monotonic. */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Around the exporter that `batching` sends to. */
  exporter(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans, done) => {
        this.#waiting -= spans.length;
        exporter.export(spans, (result) => {
          if (result.code === SUCCESS) this.#sent();
          else this.#failed(spans.length, reasonOf(result.error));
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: async () => await exporter.forceFlush?.(),
    };
  }

  /** Around a batching processor whose queue holds SPANS_MAX, and which drops what does not fit. */
  processor(batching: SpanProcessor): SpanProcessor {
    return {
      onStart: (span, parent) => batching.onStart(span, parent),
      onEnd: (span: ReadableSpan) => {
        if (this.#waiting >= SPANS_MAX) this.#full();
        else this.#waiting++;
        batching.onEnd(span);
      },
      forceFlush: () => batching.forceFlush(),
      shutdown: () => batching.shutdown(),
    };
  }

  #full(): void {
    this.#lost++;
    if (this.#isHealthy) this.#warn('More spans end than the collector takes');
    this.#fullAt = this.#now();
  }

  #failed(spans: number, reason: string): void {
    this.#lost += spans;
    if (this.#isHealthy) this.#warn(reason);
    this.#isFailing = true;
  }

  #sent(): void {
    if (this.#isHealthy) return;
    this.#isFailing = false;
    if (this.#fullAt !== null && this.#now() - this.#fullAt < QUIET_MS) return;
    this.#fullAt = null;
    this.#logger.info({ lost_spans: this.#lost }, 'Traces are sent to the collector again');
    this.#lost = 0;
  }

  get #isHealthy(): boolean {
    return !this.#isFailing && this.#fullAt === null;
  }

  #warn(reason: string): void {
    this.#logger.warn(
      { reason },
      'Traces cannot be sent to the collector; events are not affected',
    );
  }
}
