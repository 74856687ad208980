/**
 * The connections for appends to each broker. Requests on one connection are answered in order, so a
 * late answer delays those behind it. A request therefore waits a short time for an earlier one to the
 * same broker, and then uses another connection.
 */

/** A request that has not been answered yet. */
export type UnderWay<Batch> = {
  readonly leader: number;
  readonly slot: number;
  /** When it was sent, by the monotonic clock in ms. */
  readonly since: number;
  readonly batches: readonly Batch[];
};

/** How long a request waits for an earlier one to the same broker. */
const PATIENCE_MS = 200;
/** The most connections for appends to one broker. */
const SLOTS_MAX = 8;

export class Slots<Batch> {
  readonly #underWay = new Set<UnderWay<Batch>>();
  readonly #onPatienceOver: () => void;
  /** Brokers for which a look at the right time is arranged: one each, however many ask. */
  readonly #arranged = new Set<number>();

  /** @param onPatienceOver called when a slot may be free that free() did not give before. */
  constructor(onPatienceOver: () => void) {
    this.#onPatienceOver = onPatienceOver;
  }

  /** A connection that may be used now, or null. */
  free(leader: number): number | null {
    const busy = [...this.#underWay].filter((request) => request.leader === leader);
    if (busy.length === 0) return 0;
    const youngest = Math.max(...busy.map(({ since }) => since));
    const left = youngest + PATIENCE_MS - performance.now();
    if (left > 0) {
      this.#lookLater(leader, left);
      return null;
    }
    const slots = Array.from({ length: SLOTS_MAX }, (_, slot) => slot);
    return slots.find((slot) => busy.every((other) => other.slot !== slot)) ?? null;
  }

  #lookLater(leader: number, ms: number): void {
    if (this.#arranged.has(leader)) return;
    this.#arranged.add(leader);
    const look = () => {
      this.#arranged.delete(leader);
      this.#onPatienceOver();
    };
    setTimeout(look, Math.ceil(ms)).unref();
  }

  begin(leader: number, slot: number, batches: readonly Batch[]): UnderWay<Batch> {
    const request = { leader, slot, since: performance.now(), batches };
    this.#underWay.add(request);
    return request;
  }

  end(request: UnderWay<Batch>): void {
    this.#underWay.delete(request);
  }

  /** Requests that have been unanswered for longer than `ms`. */
  olderThan(ms: number): UnderWay<Batch>[] {
    const now = performance.now();
    return [...this.#underWay].filter(({ since }) => now - since > ms);
  }
}
