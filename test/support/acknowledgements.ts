/** The times of acknowledgements by partition, to measure how long there were none. */
export class Acknowledgements {
  /** By partition, in ms since 1970, in order. */
  readonly #times = new Map<number, number[]>();

  note(partition: number, time = Date.now()): void {
    const times = this.#times.get(partition) ?? [];
    times.push(time);
    this.#times.set(partition, times);
  }

  hasSince(partition: number, since: number): boolean {
    return (this.#times.get(partition)?.at(-1) ?? 0) > since;
  }

  /** The longest time, in ms, that one of these partitions acknowledged nothing since `since`. */
  longestGap(partitions: readonly number[], since: number): number {
    const gaps = partitions.map((partition) => {
      const times = (this.#times.get(partition) ?? []).filter((time) => time >= since);
      const marks = [since, ...times, Date.now()];
      return Math.max(...marks.slice(1).map((time, i) => time - (marks[i] as number)));
    });
    return Math.max(...gaps);
  }
}
