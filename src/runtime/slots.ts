type Waiting = { readonly need: number; readonly start: () => void };

/** A counted number of places, given out in the order asked for. */
export class Slots {
  readonly #count: number;
  #free: number;
  readonly #waiting: Waiting[] = [];

  constructor(count: number) {
    this.#count = count;
    this.#free = count;
  }

  /** @param share 'all' for work beside which nothing else may run. */
  async use<T>(work: () => Promise<T>, share: 'one' | 'all' = 'one'): Promise<T> {
    const need = share === 'all' ? this.#count : 1;
    const { promise, resolve: start } = Promise.withResolvers<void>();
    this.#waiting.push({ need, start });
    this.#startWaiting();
    await promise;
    try {
      return await work();
    } finally {
      this.#free += need;
      this.#startWaiting();
    }
  }

  /** From the head only, so that nobody jumps the queue, and 'all' gets its turn. */
  #startWaiting(): void {
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      if (head.need > this.#free) return;
      this.#free -= head.need;
      this.#waiting.shift();
      head.start();
    }
  }
}
