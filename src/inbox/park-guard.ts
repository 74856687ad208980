import { OrderonceError } from '../errors.ts';

/** How many recent events the share is taken of. */
const WINDOW = 1000;
/** Fewer parked events than this are never too many. */
const PARKED_MIN = 20;

/**
 * Prevents mass parking. If handlers refuse a large share of the recent events, a faulty release of
 * the handlers is more likely than that many bad events. The partition then retries and reports
 * HANDLERS_REFUSE_TOO_MUCH, and nothing is parked. One guard serves all partitions of the process.
 */
export class ParkGuard {
  readonly #shareMax: number;
  /** A ring buffer of recent events: 1 for a parked one, 0 for a stored one. */
  readonly #recent = new Uint8Array(WINDOW);
  #next = 0;
  #storedTotal = 0;
  #parked = 0;
  /** `#storedTotal` when `takeAtWord` last returned true. */
  #storedAtWord = -1;

  /** @param percentMax of recent events that may be parked; 100 switches the guard off. */
  constructor(percentMax: number) {
    this.#shareMax = percentMax / 100;
  }

  /**
   * @param parked how many events the open transaction would park.
   * @param stored how many events it stores.
   * @throws HANDLERS_REFUSE_TOO_MUCH if too many of the recent events would be parked.
   */
  assertMayPark(parked: number, stored: number): void {
    const all = this.#parked + parked;
    const outOf = Math.max(WINDOW, parked + stored);
    if (all < PARKED_MIN || all <= this.#shareMax * outOf) return;
    const percent = Math.round(this.#shareMax * 100);
    throw new OrderonceError(
      'HANDLERS_REFUSE_TOO_MUCH',
      `More than ${percent} % of recent events would be parked (${all} of ${outOf}), so nothing is parked. ` +
        'Has a faulty version of the handlers been deployed, or of the decode function, or does this deployment not know the types of the events (EVENTS_MODULE)? To park the events anyway, raise HANDLER_PARK_PERCENT_MAX',
    );
  }

  /**
   * Whether a refused event may be parked although no other event could be tried. Each true uses up
   * the permission until this process has stored another event. Otherwise, where events arrive one
   * at a time, a table that was changed by mistake would have all of them parked.
   */
  takeAtWord(): boolean {
    if (this.#storedTotal <= this.#storedAtWord) return false;
    this.#storedAtWord = this.#storedTotal;
    return true;
  }

  /** Events that this process has stored. If it has grown since a failure, other events succeed. */
  get storedTotal(): number {
    return this.#storedTotal;
  }

  /** Counts the events of a committed transaction. */
  note(parked: number, stored: number): void {
    this.#storedTotal += stored;
    for (let i = 0; i < Math.min(parked, WINDOW); i++) this.#push(1);
    for (let i = 0; i < Math.min(stored, WINDOW); i++) this.#push(0);
  }

  #push(value: 0 | 1): void {
    this.#parked += value - (this.#recent[this.#next] as number);
    this.#recent[this.#next] = value;
    this.#next = (this.#next + 1) % WINDOW;
  }
}
