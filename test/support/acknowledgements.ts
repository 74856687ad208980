/** When each partition acknowledged something: for gaps, in which nothing was. */
export class Acknowledgements {
  /** In ms since 1970. */
  readonly #times = new Map<number, number[]>();

  note(partition: number, time = Date.now()): void {
    const times = this.#times.get(partition) ?? [];
    times.push(time);
    this.#times.set(partition, times);
  }

  hasSince(partition: number, since: number): boolean {
    return (this.#times.get(partition)?.at(-1) ?? 0) > since;
  }

  /** The longest time without one of any of these partitions, from `since` until now, in ms. */
  longestGap(partitions: readonly number[], since: number): number {
    const gaps = partitions.map((partition) => {
      const times = (this.#times.get(partition) ?? []).filter((time) => time >= since);
      const marks = [since, ...times, Date.now()];
      return Math.max(...marks.slice(1).map((time, i) => time - (marks[i] as number)));
    });
    return Math.max(...gaps);
  }
}
