/** The metrics of the producer. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { FieldError } from '../event/field-error.ts';
import { addBinnedHistogram } from '../runtime/binned-histogram.ts';
import type { Acceptance } from './accept-event.ts';
import type { AppendReport } from './append-lane.ts';
import type { AppendQueue } from './append-queue.ts';
import { kindOf, REJECTIONS } from './rejections.ts';

/** The answer to one event; a refused field says which, and why. */
export type Answer = {
  readonly status: Acceptance['status'];
  readonly errors?: readonly FieldError[];
};

/** What the metrics are told of. */
export type IngestMeter = {
  /** One answered POST of an event, and the seconds that it took. */
  readonly answered: (answer: Answer, seconds: number) => void;
  /** One answered batch with the answer to each of its events, and the seconds that it took. */
  readonly answeredBatch: (answers: readonly Answer[], seconds: number) => void;
  /** One append to the log. */
  readonly appended: (report: AppendReport) => void;
};

const ANSWERS = ['accepted', 'rejected', 'unknown', 'refused'];
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Adds the metrics of the producer. All sets of labels that are known begin at 0, because
 * `increase` of Prometheus does not see a series that appears with 1.
 * @param queue returns the queue, at each scrape.
 */
export function addIngestMetrics(
  registry: Registry,
  queue: () => Pick<AppendQueue, 'size' | 'itemsMax' | 'oldestMs'>,
): IngestMeter {
  const registers = [registry];
  const events = new Counter({
    name: 'orderonce_ingest_events_total',
    help: 'Events by answer: accepted (202), rejected (422), unknown (500), refused (503).',
    labelNames: ['answer'],
    registers,
  });
  for (const answer of ANSWERS) events.inc({ answer }, 0);
  const seconds = addBinnedHistogram(registry, {
    name: 'orderonce_ingest_seconds',
    help: 'Seconds from a complete request to its answer, by route; for a batch from its first byte.',
    label: 'route',
    values: ['/events', '/events/batch'],
    bounds: SECONDS,
  });
  const rejections = new Counter({
    name: 'orderonce_ingest_rejections_total',
    help: 'Errors of rejected events, by field (body: the event as a whole; other: a field that events do not have) and problem, as in the answer.',
    labelNames: ['field', 'problem'],
    registers,
  });
  for (const labels of REJECTIONS) rejections.inc(labels, 0);
  const note = ({ errors = [] }: Answer) => {
    for (const error of errors) rejections.inc(kindOf(error));
  };
  addQueueGauges(registers, queue);
  return {
    answered: (answer, took) => {
      events.inc({ answer: answer.status });
      seconds['/events'].observe(took);
      note(answer);
    },
    answeredBatch: (answers, took) => {
      for (const answer of ANSWERS) {
        const n = answers.reduce((sum, { status }) => sum + (status === answer ? 1 : 0), 0);
        events.inc({ answer }, n);
      }
      seconds['/events/batch'].observe(took);
      for (const answer of answers) if (answer.status === 'rejected') note(answer);
    },
    appended: addAppends(registers),
  };
}

function addQueueGauges(
  registers: Registry[],
  queue: Parameters<typeof addIngestMetrics>[1],
): void {
  new Gauge({
    name: 'orderonce_ingest_queued',
    help: 'Events that are queued for the log or in flight to it.',
    registers,
    collect() {
      this.set(queue().size);
    },
  });
  new Gauge({
    name: 'orderonce_ingest_queue_limit',
    help: 'How many events may be queued or in flight; further ones are refused (APPEND_QUEUE_MAX, for each worker).',
    registers,
    collect() {
      this.set(queue().itemsMax);
    },
  });
  new Gauge({
    name: 'orderonce_ingest_oldest_seconds',
    help: 'For how long the oldest event has been queued or in flight; 0 if there is none.',
    registers,
    aggregator: 'max',
    collect() {
      this.set(queue().oldestMs / 1000);
    },
  });
}

function addAppends(registers: Registry[]): IngestMeter['appended'] {
  const seconds = new Histogram({
    name: 'orderonce_append_seconds',
    help: 'Seconds of each append to the log, by result: acknowledged, or failed (the outcome is unknown).',
    labelNames: ['result'],
    buckets: SECONDS,
    registers,
  });
  for (const result of ['acknowledged', 'failed']) seconds.zero({ result });
  const records = new Histogram({
    name: 'orderonce_append_records',
    help: 'Records of each append to the log.',
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500],
    registers,
  });
  return ({ result, ms, records: count }) => {
    seconds.observe({ result }, ms / 1000);
    records.observe(count);
  };
}
