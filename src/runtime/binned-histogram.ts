/**
 * A histogram that is cheap enough for every event: a value costs a comparison for each bound below
 * it and three additions. prom-client's own looks up its labels in a map for each value.
 */
import type { Metric, Registry } from 'prom-client';

export type BinnedOptions<L extends string> = {
  readonly name: string;
  readonly help: string;
  /** The label, and all values that it can have. Each is exposed from the start, with zeros. */
  readonly label: string;
  readonly values: readonly L[];
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[];
};

/** The counts of one value of the label. */
export class Bins {
  readonly #bounds: readonly number[];
  /** The counts between the bounds; the last one is beyond all of them. */
  readonly counts: Float64Array;
  sum = 0;
  #value = Number.NaN;
  #bin = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Counts a value. The one after it is often the same: then its bin is known. */
  observe(value: number): void {
    if (value !== this.#value) {
      let bin = 0;
      while (bin < this.#bounds.length && value > (this.#bounds[bin] as number)) bin++;
      this.#bin = bin;
      this.#value = value;
    }
    this.counts[this.#bin] = (this.counts[this.#bin] as number) + 1;
    this.sum += value;
  }
}

/** Registers the histogram. @returns the bins of each value of its label. */
export function addBinnedHistogram<L extends string>(
  registry: Registry,
  { name, help, label, values, bounds }: BinnedOptions<L>,
): Readonly<Record<L, Bins>> {
  const entries = values.map((value) => [value, new Bins(bounds)] as const);
  const read = () =>
    entries.flatMap(([value, { counts, sum }]) => {
      let count = 0;
      const buckets = [...counts].map((n, bin) => {
        count += n;
        const labels = { le: bounds[bin] ?? '+Inf', [label]: value };
        return { metricName: `${name}_bucket`, labels, value: count };
      });
      const labels = { [label]: value };
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
  const get = async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: read() });
  // Of a metric the registry uses only its name and get().
  registry.registerMetric({ name, help, get } as unknown as Metric);
  return Object.fromEntries(entries) as Record<L, Bins>;
}
