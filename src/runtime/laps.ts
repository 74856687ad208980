/** Adds up, by name, the time between its creation and its laps, as a stopwatch does. */
export class Laps<N extends string> {
  readonly #ms = new Map<N, number>();
  #last = performance.now();

  /** Adds the time since the last lap to `name`. */
  end(name: N): void {
    const now = performance.now();
    this.#ms.set(name, (this.#ms.get(name) ?? 0) + now - this.#last);
    this.#last = now;
  }

  /** Milliseconds by name, of those that have ended at least once. */
  get ms(): ReadonlyMap<N, number> {
    return this.#ms;
  }
}
