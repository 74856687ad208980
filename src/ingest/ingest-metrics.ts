import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Acceptance } from './accept-event.ts';

/** Counts one answered POST of an event, and the seconds that it took. */
export type NoteAnswer = (status: Acceptance['status'], seconds: number) => void;
/** Counts the verdicts of one answered batch. */
export type NoteBatch = (verdicts: readonly Pick<Acceptance, 'status'>[]) => void;

/**
 * Adds the metrics of the producer.
 * @param queued returns how many events wait for the log; called at each scrape.
 */
export function addIngestMetrics(
  registry: Registry,
  queued: () => number,
): { readonly noteAnswer: NoteAnswer; readonly noteBatch: NoteBatch } {
  const registers = [registry];
  const events = new Counter({
    name: 'orderonce_ingest_events_total',
    help: 'Events by answer: accepted (202), rejected (422), unknown (500), refused (503).',
    labelNames: ['answer'],
    registers,
  });
  const seconds = new Histogram({
    name: 'orderonce_ingest_seconds',
    help: 'Seconds from a complete request to its answer.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  new Gauge({
    name: 'orderonce_ingest_queued',
    help: 'Events that are queued for the log or in flight to it.',
    registers,
    collect() {
      this.set(queued());
    },
  });
  return {
    noteAnswer: (status, duration) => {
      events.inc({ answer: status });
      seconds.observe(duration);
    },
    noteBatch: (verdicts) => {
      const counts = new Map<string, number>();
      for (const { status } of verdicts) counts.set(status, (counts.get(status) ?? 0) + 1);
      for (const [answer, count] of counts) events.inc({ answer }, count);
    },
  };
}
