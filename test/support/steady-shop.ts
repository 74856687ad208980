/**
 * A client that sends new events at a steady rate, whether or not earlier ones are accepted, and
 * retries each event until it is accepted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Acknowledgements } from './acknowledgements.ts';
import type { Receipt } from './checker.ts';
import { type WireEvent, wireEvent } from './events.ts';
import { until } from './until.ts';

const EVERY_MS = 20;
/** The retry delay doubles up to the second value, so that retries do not overload the service. */
const RETRY_MS = [100, 3200] as const;

export class SteadyShop {
  readonly events: WireEvent[] = [];
  readonly accepted: Receipt[] = [];
  readonly acknowledged = new Acknowledgements();
  readonly #make: () => WireEvent;
  readonly #url: string;
  readonly #sending = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #isStopped = false;

  /** @param make makes each event. */
  constructor(port: number, make: () => WireEvent = wireEvent) {
    this.#make = make;
    this.#url = `http://127.0.0.1:${port}/events`;
    this.#timer = setInterval(() => this.#sendOne(), EVERY_MS);
  }

  #sendOne(): void {
    const event = this.#make();
    this.events.push(event);
    const sending = this.#send(event);
    this.#sending.add(sending);
    void sending.finally(() => this.#sending.delete(sending));
  }

  async #send(event: WireEvent): Promise<void> {
    for (let retryMs: number = RETRY_MS[0]; ; retryMs = Math.min(RETRY_MS[1], retryMs * 2)) {
      const place = await this.#post(event);
      if (place !== null) {
        this.accepted.push({ event, ...place });
        this.acknowledged.note(place.partition);
        return;
      }
      await sleep(retryMs);
      if (this.#isStopped) return;
    }
  }

  async #post(event: WireEvent): Promise<{ partition: number; offset: number } | null> {
    try {
      const answer = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(event),
      });
      await answer.text();
      if (answer.status !== 202) return null;
      const header = (name: string) => Number(answer.headers.get(name));
      return { partition: header('orderonce-partition'), offset: header('orderonce-offset') };
    } catch {
      return null;
    }
  }

  /**
   * Resolves when each of these partitions has acknowledged another event.
   * @returns how long that took, in ms.
   */
  async untilAcknowledged(partitions: readonly number[], withinMs: number): Promise<number> {
    const since = Date.now();
    await until(
      `partitions ${partitions} acknowledge`,
      () => partitions.every((partition) => this.acknowledged.hasSince(partition, since)),
      { withinMs },
    );
    return Date.now() - since;
  }

  /** Sends no new events, and waits until every event is accepted. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    await until('every event is accepted', () => this.#sending.size === 0);
  }

  /** Stops sending and retrying; for the end of a test that failed. */
  stop(): void {
    clearInterval(this.#timer);
    this.#isStopped = true;
  }
}
