/** What a key may still send: a rate per second (token bucket) and a quota per day (UTC). */
const DAY_MS = 86_400_000;
/** A burst may be as large as the rate allows for this many seconds. */
const BURST_SECONDS = 2;

/** null means no limit. */
export type Limits = {
  readonly eventsPerSecond: number | null;
  readonly eventsPerDay: number | null;
};

/**
 * The allowance of one key in one process. A batch may overdraw it, because its events are counted
 * only while the body is read; the key then waits longer.
 */
export class Allowance {
  #tokens = Number.POSITIVE_INFINITY;
  #atMs = 0;
  #day = 0;
  #today = 0;

  /**
   * @returns the seconds after which a retry may succeed, or null if one more event may be sent.
   */
  waitSeconds(limits: Limits, nowMs: number): number | null {
    this.#refill(limits, nowMs);
    const { eventsPerSecond, eventsPerDay } = limits;
    if (eventsPerDay !== null && this.#today >= eventsPerDay) {
      return Math.ceil(((this.#day + 1) * DAY_MS - nowMs) / 1000);
    }
    if (eventsPerSecond === null || this.#tokens >= 1) return null;
    return Math.max(1, Math.ceil((1 - this.#tokens) / eventsPerSecond));
  }

  spend(events: number): void {
    this.#tokens -= events;
    this.#today += events;
  }

  #refill({ eventsPerSecond }: Limits, nowMs: number): void {
    const day = Math.floor(nowMs / DAY_MS);
    if (day !== this.#day) this.#today = 0;
    this.#day = day;
    const rate = eventsPerSecond ?? Number.POSITIVE_INFINITY;
    const gained = (Math.max(0, nowMs - this.#atMs) / 1000) * rate;
    const most = Math.max(1, rate * BURST_SECONDS);
    this.#tokens = Math.min(most, Number.isNaN(gained) ? most : this.#tokens + gained);
    this.#atMs = nowMs;
  }
}
