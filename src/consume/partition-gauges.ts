/** The gauges of the partitions of a process, which are read at each scrape. */
import { Gauge, type Registry } from 'prom-client';
import { within } from '../runtime/deadline.ts';
import { SCRAPE_MS } from '../runtime/metrics.ts';
import type { PartitionStatus } from './consumer.ts';

/** The partitions of one topic, as the gauges read them at each scrape. */
export type PartitionSource = {
  /** The label `topic`; absent if the process reads one topic only. */
  readonly topic?: string | undefined;
  readonly partitions: () => readonly PartitionStatus[];
  /** The end offset of the log for each of these partitions, as far as it is known. */
  readonly ends: (partitions: readonly number[]) => Promise<ReadonlyMap<number, number>>;
};

/**
 * A process with more partitions shows one series for all of them, with partition="all", since
 * Prometheus keeps each series in memory.
 */
export const PARTITIONS_SHOWN_MAX = 200;

type Values = ReadonlyMap<number, number>;
type Joined = (values: readonly number[]) => number;

const sumOf: Joined = (values) => values.reduce((sum, value) => sum + value, 0);
const mostOf: Joined = (values) => values.reduce((most, value) => Math.max(most, value), 0);
const leastOf: Joined = (values) => values.reduce((least, value) => Math.min(least, value), 1);

/** Registers the gauges. @param sources one for each topic. */
export function addPartitionGauges(
  registers: Registry[],
  sources: readonly PartitionSource[],
): void {
  const valuesOf =
    (value: (status: PartitionStatus) => number) =>
    ({ partitions }: PartitionSource): Values =>
      new Map(partitions().map((status) => [status.partition, value(status)]));
  const labelNames = labelNamesOf(sources);
  const add = (
    name: string,
    help: string,
    /** What the one series of a process with many partitions shows. */
    joined: Joined,
    read: (source: PartitionSource) => Values | Promise<Values>,
  ) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      async collect() {
        const all = await Promise.all(
          sources.map(async (source) => [source, await read(source)] as const),
        );
        this.reset();
        for (const [source, values] of all) {
          for (const [partition, value] of shown(values, joined)) {
            this.set({ ...labelsOf(source), partition }, value);
          }
        }
      },
    });
  add(
    'orderonce_position',
    'Next offset to process, as PostgreSQL has it, for each partition of this process.',
    sumOf,
    valuesOf(({ next_offset }) => next_offset),
  );
  add(
    'orderonce_partition_running',
    '1 while the partition makes progress; 0 while it retries, waits or is stopped.',
    leastOf,
    valuesOf(({ state }) => (state === 'running' ? 1 : 0)),
  );
  add(
    'orderonce_partition_failed_attempts',
    'Failed attempts of the partition since its position last moved.',
    mostOf,
    valuesOf(({ attempts }) => attempts ?? 0),
  );
  const asking = new Map(sources.map((source) => [source, askedOnce(source)]));
  const ends = async (source: PartitionSource) => (await asking.get(source)?.()) ?? null;
  add(
    'orderonce_lag_records',
    "Records between the position and the log's end. Absent while the log does not answer.",
    sumOf,
    async (source) => lagOf(source.partitions(), await ends(source)),
  );
  add(
    'orderonce_lag_seconds',
    'Age of the first record that is not processed; 0 if there is none. Absent while it is not known.',
    mostOf,
    async (source) => ageOf(source.partitions(), await ends(source), Date.now()),
  );
  addTroubleGauge(registers, sources);
}

const labelNamesOf = (sources: readonly PartitionSource[]) =>
  sources.length > 1 ? ['topic', 'partition'] : ['partition'];

function labelsOf({ topic }: PartitionSource): { topic?: string } {
  return topic === undefined ? {} : { topic };
}

function addTroubleGauge(registers: Registry[], sources: readonly PartitionSource[]): void {
  new Gauge({
    name: 'orderonce_partition_trouble_seconds',
    help: 'Seconds for which the partition has not run, by state and code; absent while it runs.',
    labelNames: [...labelNamesOf(sources), 'state', 'code'],
    registers,
    collect() {
      this.reset();
      for (const source of sources) {
        for (const status of source.partitions().slice(0, PARTITIONS_SHOWN_MAX)) {
          const { partition, state, code, since } = status;
          if (code === undefined) continue;
          const labels = { ...labelsOf(source), partition, state, code };
          this.set(labels, (Date.now() - Date.parse(since)) / 1000);
        }
      }
    },
  });
}

function shown(values: Values, joined: Joined): [string, number][] {
  if (values.size > PARTITIONS_SHOWN_MAX) return [['all', joined([...values.values()])]];
  return [...values].map(([partition, value]) => [String(partition), value]);
}

/** The ends of the log; null while it does not answer. All gauges of a scrape share one question. */
function askedOnce({ partitions, ends }: PartitionSource): () => Promise<Values | null> {
  let asking: Promise<Values | null> | null = null;
  return () => {
    const ask = () => ends(partitions().map(({ partition }) => partition));
    asking ??= within(SCRAPE_MS, ask(), () => new Error('late'))
      .catch(() => null)
      .finally(() => {
        asking = null;
      });
    return asking;
  };
}

/** Records to process, by partition. Pure. */
export function lagOf(partitions: readonly PartitionStatus[], ends: Values | null): Values {
  const lags = new Map<number, number>();
  for (const { partition, next_offset } of partitions) {
    const end = ends?.get(partition);
    if (end !== undefined) lags.set(partition, Math.max(0, end - next_offset));
  }
  return lags;
}

/** The age in seconds of the first record to process, by partition. Pure. */
export function ageOf(
  partitions: readonly PartitionStatus[],
  ends: Values | null,
  now: number,
): Values {
  const ages = new Map<number, number>();
  for (const { partition, next_offset, oldest_at } of partitions) {
    const end = ends?.get(partition);
    if (oldest_at !== undefined) {
      ages.set(partition, Math.max(0, now - Date.parse(oldest_at)) / 1000);
    } else if (end !== undefined && end <= next_offset) ages.set(partition, 0);
  }
  return ages;
}
