import type { PartitionReport } from '../positions/report.ts';

/** The rate is taken over this time at most, in ms. */
const WINDOW_MS = 15_000;

/** How fast the log grows, from its ends at different times. */
export class ArrivalRate {
  #samples: { readonly ms: number; readonly end: number }[] = [];

  /**
   * Notes the ends of the log at a time.
   * @returns records per second over the last seconds; null if only one time is known, or no end.
   */
  note(ms: number, partitions: readonly PartitionReport[]): number | null {
    const ends = partitions.map(({ log_end }) => log_end);
    // Without one of the ends, the sum would fall and rise again.
    if (ends.length === 0 || ends.includes(null)) return null;
    const end = ends.reduce<number>((sum, one) => sum + (one ?? 0), 0);
    this.#samples = this.#samples.filter((sample) => ms - sample.ms <= WINDOW_MS);
    const [first] = this.#samples;
    this.#samples.push({ ms, end });
    if (first === undefined || ms <= first.ms) return null;
    return Math.max(0, Math.round(((end - first.end) / (ms - first.ms)) * 10_000) / 10);
  }
}
