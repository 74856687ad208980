/** Watches the exporter of spans, so that somebody who looks for a trace in vain learns why. */
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import { reasonOf } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';

/** The value of ExportResultCode.SUCCESS. */
const SUCCESS = 0;

/**
 * Logs when the collector stops taking spans and when it takes them again, once each. Spans that it
 * does not take are lost; events are not affected.
 */
export function watchedExporter(exporter: SpanExporter, logger: Logger): SpanExporter {
  let lost = 0;
  let isFailing = false;
  return {
    export: (spans, done) => {
      exporter.export(spans, (result) => {
        if (result.code !== SUCCESS) {
          lost += spans.length;
          if (!isFailing) {
            const reason = reasonOf(result.error);
            logger.warn(
              { reason },
              'Traces cannot be sent to the collector; events are not affected',
            );
          }
        } else if (isFailing) {
          logger.info({ lost_spans: lost }, 'Traces are sent to the collector again');
          lost = 0;
        }
        isFailing = result.code !== SUCCESS;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => await exporter.forceFlush?.(),
  };
}
