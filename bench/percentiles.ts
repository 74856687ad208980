/** Percentiles in the unit of the values; `most` is the maximum. */
export type Percentiles = Readonly<Record<'p50' | 'p90' | 'p99' | 'p999' | 'most', number>>;

/** Sorts `values` in place. The percentiles of an empty list are NaN. */
export function percentiles(values: number[]): Percentiles {
  values.sort((a, b) => a - b);
  const at = (share: number) => values[Math.trunc((values.length - 1) * share)] ?? Number.NaN;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), most: at(1) };
}
