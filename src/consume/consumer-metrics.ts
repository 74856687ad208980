import { Counter, Gauge, type Registry } from 'prom-client';
import type { Settled } from '../inbox/settle-records.ts';
import { within } from '../runtime/deadline.ts';
import { RETRY_WINDOW_MS } from '../store/duplicates.ts';
import type { PartitionStatus } from './consumer.ts';

/** What the gauges read at each scrape. */
export type ConsumerSource = {
  readonly partitions: () => readonly PartitionStatus[];
  /** The end offset of the log for each of these partitions; undefined where it is not known. */
  readonly ends: (
    partitions: readonly PartitionStatus[],
  ) => Promise<readonly (number | undefined)[]>;
  /** Whether the process reads several topics. Only then the gauges have the label `topic`. */
  readonly isByTopic: boolean;
};

/** Counts one committed transaction. */
export type NoteSettled = (settled: Settled) => void;

/** How long a scrape waits for the log. */
const ENDS_MS = 2000;

/**
 * Registers the metrics of a consumer.
 * @returns a function to be called after each COMMIT.
 */
export function addConsumerMetrics(registry: Registry, source: ConsumerSource): NoteSettled {
  const registers = [registry];
  const records = new Counter({
    name: 'orderonce_records_total',
    help: 'Records by outcome: stored, duplicate, conflict, dead_letter.',
    labelNames: ['outcome'],
    registers,
  });
  const transactions = new Counter({
    name: 'orderonce_transactions_total',
    help: 'Committed transactions, each with a batch of one partition or of several.',
    registers,
  });
  const duplicates = new Counter({
    name: 'orderonce_duplicates_total',
    help: 'Duplicates by source, and by whether they came within a minute of the first record (yes, no, unknown).',
    labelNames: ['source', 'within_a_minute'],
    registers,
  });
  addPartitionGauges(registers, source);
  return (settled) => {
    records.inc({ outcome: 'stored' }, settled.stored);
    records.inc({ outcome: 'duplicate' }, settled.duplicates.length);
    records.inc({ outcome: 'conflict' }, settled.conflicts.length);
    records.inc({ outcome: 'dead_letter' }, settled.deadLetters.length);
    for (const { source: why, afterMs } of settled.duplicates) {
      duplicates.inc({ source: why, within_a_minute: isSoon(afterMs) });
    }
    transactions.inc();
  };
}

function isSoon(afterMs: number | null): 'yes' | 'no' | 'unknown' {
  if (afterMs === null) return 'unknown';
  return afterMs <= RETRY_WINDOW_MS ? 'yes' : 'no';
}

function addPartitionGauges(registers: Registry[], source: ConsumerSource): void {
  const labelNames = source.isByTopic ? ['topic', 'partition'] : ['partition'];
  const labelsOf = ({ topic, partition }: PartitionStatus) =>
    topic === undefined ? { partition } : { topic, partition };
  new Gauge({
    name: 'orderonce_position',
    help: 'Next offset to process, as PostgreSQL has it, for each partition of this process.',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const status of source.partitions()) this.set(labelsOf(status), status.next_offset);
    },
  });
  new Gauge({
    name: 'orderonce_partition_running',
    help: '1 while the partition makes progress; 0 while it retries, waits or is stopped.',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const status of source.partitions()) {
        this.set(labelsOf(status), status.state === 'running' ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: 'orderonce_partition_trouble_seconds',
    help: 'Seconds for which the partition has not run, by state and code; absent while it runs.',
    labelNames: [...labelNames, 'state', 'code'],
    registers,
    collect() {
      this.reset();
      for (const status of source.partitions()) {
        const { state, code, since } = status;
        if (code === undefined) continue;
        this.set({ ...labelsOf(status), state, code }, (Date.now() - Date.parse(since)) / 1000);
      }
    },
  });
  new Gauge({
    name: 'orderonce_partition_failed_attempts',
    help: 'Failed attempts of the partition since its position last moved.',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const status of source.partitions()) {
        this.set(labelsOf(status), status.attempts ?? 0);
      }
    },
  });
  new Gauge({
    name: 'orderonce_lag_records',
    help: "Records between the position and the log's end. Absent while the log does not answer.",
    labelNames,
    registers,
    async collect() {
      this.reset();
      const partitions = source.partitions();
      const asked = source.ends(partitions);
      const ends = await within(ENDS_MS, asked, () => new Error('late')).catch(() => null);
      for (const [index, status] of partitions.entries()) {
        const end = ends?.[index];
        if (end !== undefined) this.set(labelsOf(status), Math.max(0, end - status.next_offset));
      }
    },
  });
}
