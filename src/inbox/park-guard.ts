import { OrderonceError } from '../errors.ts';

/** How many recent events are looked back on. */
const WINDOW = 1000;
/** Fewer parked ones than this are never called too many. */
const PARKED_MIN = 20;

/**
 * Holds back mass parking: when handlers refuse a large share of recent events, a bad deploy is
 * likelier than that many bad events. Then the partition pauses, loudly, and nothing is parked.
 */
export class ParkGuard {
  readonly #shareMax: number;
  /** Of recent events: 1 for a parked one, 0 for a stored one. A ring. */
  readonly #recent = new Uint8Array(WINDOW);
  #next = 0;
  #storedTotal = 0;
  #parked = 0;
  /** Events stored when PostgreSQL's word alone was taken last. */
  #storedAtWord = -1;

  /** @param percentMax of recent events that may be parked; 100 switches the guard off. */
  constructor(percentMax: number) {
    this.#shareMax = percentMax / 100;
  }

  /**
   * @param parked how many the open transaction would park. @param stored how many it stores.
   * @throws HANDLERS_REFUSE_TOO_MUCH
   */
  assertMayPark(parked: number, stored: number): void {
    const all = this.#parked + parked;
    const outOf = Math.max(WINDOW, parked + stored);
    if (all < PARKED_MIN || all <= this.#shareMax * outOf) return;
    const percent = Math.round(this.#shareMax * 100);
    throw new OrderonceError(
      'HANDLERS_REFUSE_TOO_MUCH',
      `More than ${percent} % of recent events would be parked (${all} of ${outOf}): nothing is. ` +
        'Is a bad version of the handlers deployed? To park them all the same, raise HANDLER_PARK_PERCENT_MAX',
    );
  }

  /**
   * Whether an event that PostgreSQL refuses may be parked though no other could be tried: once,
   * and again only when something has been stored since. With one event at a time a changed table
   * would otherwise have all of them parked.
   */
  takeAtWord(): boolean {
    if (this.#storedTotal <= this.#storedAtWord) return false;
    this.#storedAtWord = this.#storedTotal;
    return true;
  }

  /** Events that this process has stored: whether others succeed is read off its growth. */
  get storedTotal(): number {
    return this.#storedTotal;
  }

  /** Takes note of a committed transaction. */
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
