/**
 * The clock of a test kit. It gives the events that a test sends their `timestamp`, and the records
 * their time of append. `now()` in SQL and `Date` in a handler stay the real time.
 */
export class TestClock {
  #ms: number;

  /** @param start default: 2026-01-01T00:00:00Z, so that a test sends the same events every day. */
  constructor(start: Date | string = '2026-01-01T00:00:00Z') {
    this.#ms = msOf(start);
  }

  get now(): Date {
    return new Date(this.#ms);
  }

  set(time: Date | string): void {
    this.#ms = msOf(time);
  }

  advance(ms: number): void {
    this.#ms += ms;
  }
}

function msOf(time: Date | string): number {
  const ms = new Date(time).getTime();
  if (Number.isNaN(ms)) throw new TypeError(`Not a time: ${time}`);
  return ms;
}
