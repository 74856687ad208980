/** Looks at the positions all the time, to say afterwards when an event became visible. */
import type { Pool } from '../src/store/pool.ts';

const PAUSE_MS = 1;

/** Where a partition stood, and when that was seen first; both grow. */
type Trace = { readonly next: number[]; readonly at: number[] };

export class VisibilityWatch {
  readonly #traces = new Map<number, Trace>();
  readonly #watching: Promise<void>;
  #isStopped = false;

  constructor(pool: Pool) {
    this.#watching = this.#watch(pool);
  }

  async #watch(pool: Pool): Promise<void> {
    while (!this.#isStopped) {
      const { rows } = await pool.query<{ partition: number; next: number }>({
        name: 'positions',
        text: 'SELECT log_partition AS partition, next_offset AS next FROM consumer_positions',
      });
      const at = performance.timeOrigin + performance.now();
      for (const { partition, next } of rows) this.#note(partition, next, at);
      await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
  }

  #note(partition: number, next: number, at: number): void {
    const trace = this.#traces.get(partition) ?? { next: [], at: [] };
    this.#traces.set(partition, trace);
    if (trace.next.at(-1) === next) return;
    trace.next.push(next);
    trace.at.push(at);
  }

  /** In ms since 1970; up to a millisecond or two late. NaN while it was not visible. */
  visibleAt(partition: number, offset: number): number {
    const { next, at } = this.#traces.get(partition) ?? { next: [], at: [] };
    let [low, high] = [0, next.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((next[middle] as number) > offset) high = middle;
      else low = middle + 1;
    }
    return at[low] ?? Number.NaN;
  }

  /** After one more look. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#watching;
  }
}
