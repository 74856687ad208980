/** The metrics of a consumer: counters and histograms of what its transactions do. */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { ErrorCode } from '../errors.ts';
import type { Settled } from '../inbox/batch.ts';
import { requestMs } from '../log/request-id.ts';
import { addBinnedHistogram } from '../runtime/binned-histogram.ts';
import { RETRY_WINDOW_MS, type RepeatSource } from '../store/duplicates.ts';
import type { ConsumerMeter } from './consumer-meter.ts';
import { addPartitionGauges, type PartitionSource } from './partition-gauges.ts';
import { addTypeMetrics } from './type-metrics.ts';

export type ConsumerSource = PartitionSource & {
  /** Of the other topics that the process reads. */
  readonly others?: readonly PartitionSource[];
  /** The names of the handlers. */
  readonly handlers: readonly string[];
  /** The names of the declared types of events; null where none are declared. */
  readonly types: Iterable<string> | null;
  /**
   * How many offsets of this database operators have accepted as lost; null while that cannot be
   * read. Commands do that, in processes that nobody scrapes.
   */
  readonly acceptedOffsets: () => Promise<number | null>;
};

/** Errors that make a partition retry. Others are counted too, from when they first occur. */
const RETRY_CODES: readonly ErrorCode[] = [
  'DATABASE_UNAVAILABLE',
  'HANDLER_FAILS',
  'ALL_REFUSED',
  'HANDLERS_REFUSE_TOO_MUCH',
  'POSITION_MOVED',
  'CLAIM_RACE',
  'COMMIT_ROLLED_BACK',
  'OUTCOMES_DO_NOT_ADD_UP',
];
const SOURCES: readonly RepeatSource[] = [
  'producer_retry',
  'resent_same_process',
  'resent_other_process',
  'foreign_client',
  'first_was_foreign',
  'redrive',
];
const FRESHNESS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600];
const SHORT = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const SIZES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/**
 * Registers the metrics. All sets of labels that are known begin at 0, because `increase` of
 * Prometheus does not see a series that appears with 1.
 */
export function addConsumerMetrics(registry: Registry, source: ConsumerSource): ConsumerMeter {
  const registers = [registry];
  const committed = addOutcomes(registry, source);
  addPartitionGauges(registers, [source, ...(source.others ?? [])]);
  const freshness = addFreshness(registry);
  const typed = addTypeMetrics(registry, source.types);
  const phases = new Histogram({
    name: 'orderonce_batch_seconds',
    help: 'Seconds of each phase of the committed transactions that settled whole batches. wait: for a connection and for other partitions to share the transaction; fence: until the positions are locked; settle: our statements; handlers; commit.',
    labelNames: ['phase'],
    buckets: SHORT,
    registers,
  });
  for (const phase of ['wait', 'fence', 'settle', 'handlers', 'commit']) phases.zero({ phase });
  const handlers = new Histogram({
    name: 'orderonce_handler_seconds',
    help: 'Seconds of each run of a handler over the events of a transaction, failed runs included.',
    labelNames: ['handler'],
    buckets: SHORT,
    registers,
  });
  for (const handler of source.handlers) handlers.zero({ handler });
  const retries = new Counter({
    name: 'orderonce_retries_total',
    help: 'Failed attempts of partitions, by error code; each is followed by another one.',
    labelNames: ['code'],
    registers,
  });
  for (const code of RETRY_CODES) retries.inc({ code }, 0);
  return {
    committed: (moved, settled) => {
      committed(moved, settled);
      freshness(settled);
      typed(settled);
    },
    timed: (ms) => {
      for (const [phase, took] of ms) phases.observe({ phase }, took / 1000);
    },
    waited: (ms) => phases.observe({ phase: 'wait' }, ms / 1000),
    handled: (handler, seconds) => handlers.observe({ handler }, seconds),
    retried: (code) => retries.inc({ code }),
    ...addRebalances(registers),
  };
}

function addOutcomes(registry: Registry, source: ConsumerSource): ConsumerMeter['committed'] {
  const registers = [registry];
  const records = new Counter({
    name: 'orderonce_records_total',
    help: 'Records by outcome: stored, duplicate, conflict, dead_letter.',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of ['stored', 'duplicate', 'conflict', 'dead_letter']) {
    records.inc({ outcome }, 0);
  }
  const transactions = new Counter({
    name: 'orderonce_transactions_total',
    help: 'Committed transactions, each with a batch of one partition or of several.',
    registers,
  });
  const sizes = new Histogram({
    name: 'orderonce_batch_records',
    help: 'Records of each committed transaction.',
    buckets: SIZES,
    registers,
  });
  const duplicates = new Counter({
    name: 'orderonce_duplicates_total',
    help: 'Duplicates by source, and by whether they came within a minute of the first record (yes, no, unknown).',
    labelNames: ['source', 'within_a_minute'],
    registers,
  });
  for (const source of SOURCES) {
    for (const within_a_minute of ['yes', 'no', 'unknown']) {
      duplicates.inc({ source, within_a_minute }, 0);
    }
  }
  const gaps = addGaps(registers, source);
  return (moved, settled) => {
    const { stored, duplicates: again, conflicts, deadLetters } = settled;
    records.inc({ outcome: 'stored' }, stored);
    records.inc({ outcome: 'duplicate' }, again.length);
    records.inc({ outcome: 'conflict' }, conflicts.length);
    records.inc({ outcome: 'dead_letter' }, deadLetters.length);
    for (const { source, afterMs } of again) {
      duplicates.inc({ source, within_a_minute: isSoon(afterMs) });
    }
    transactions.inc();
    sizes.observe(stored + again.length + conflicts.length + deadLetters.length);
    for (const { from, to, reason } of moved.flatMap((slice) => slice.gaps)) {
      gaps.inc({ reason }, to - from);
    }
  };
}

function addGaps(registers: Registry[], { acceptedOffsets }: ConsumerSource): Counter {
  const gaps = new Counter({
    name: 'orderonce_log_gap_offsets_total',
    help: "Offsets without a record that the position passed: control and aborted (a client's transactions), compacted. accepted: those that operators accepted as lost, ever, of the whole database.",
    labelNames: ['reason'],
    registers,
    async collect() {
      const reason = 'accepted';
      const accepted = await acceptedOffsets();
      if (accepted === null) return;
      this.remove({ reason });
      this.inc({ reason }, accepted);
    },
  });
  for (const reason of ['control', 'aborted', 'compacted']) gaps.inc({ reason }, 0);
  return gaps;
}

function isSoon(afterMs: number | null): 'yes' | 'no' | 'unknown' {
  if (afterMs === null) return 'unknown';
  return afterMs <= RETRY_WINDOW_MS ? 'yes' : 'no';
}

function addFreshness(registry: Registry): (settled: Settled) => void {
  const { api, foreign } = addBinnedHistogram(registry, {
    name: 'orderonce_event_to_effect_seconds',
    help: 'Seconds from the arrival of an event to the COMMIT that stored it. via=api: from its HTTP request; via=foreign: from the time that its Kafka client gave the record.',
    label: 'via',
    values: ['api', 'foreign'],
    bounds: FRESHNESS,
  });
  return ({ storedRecords }) => {
    const now = Date.now();
    for (const { record } of storedRecords) {
      const { requestId, appendedMs } = record;
      // The clock of another machine may be ahead.
      if (requestId === null) foreign.observe(Math.max(0, now - appendedMs) / 1000);
      else api.observe(Math.max(0, now - requestMs(requestId)) / 1000);
    }
  };
}

function addRebalances(registers: Registry[]): Pick<ConsumerMeter, 'rebalanced' | 'resumed'> {
  const rebalances = new Counter({
    name: 'orderonce_rebalances_total',
    help: 'Assignments of partitions to this process, the first one included.',
    registers,
  });
  const seconds = new Histogram({
    name: 'orderonce_rebalance_seconds',
    help: 'Seconds from the end of an assignment, or from the first one, until a partition of the next one can be processed.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers,
  });
  return { rebalanced: () => rebalances.inc(), resumed: (took) => seconds.observe(took) };
}
