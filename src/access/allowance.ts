/** What a key may still spend: a rate by a bucket that refills, a quota by the day (UTC). Pure. */
const DAY_MS = 86_400_000;
/** So many seconds' worth may come at once. */
const BURST_SECONDS = 2;

export type Limits = {
  readonly eventsPerSecond: number | null;
  readonly eventsPerDay: number | null;
};

/** Of one key in one process. A batch may overdraw it: it is counted once its items are known. */
export class Allowance {
  #tokens = Number.POSITIVE_INFINITY;
  #atMs = 0;
  #day = 0;
  #today = 0;

  /** @returns seconds until it is worth trying again, or null when one more event may come. */
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
