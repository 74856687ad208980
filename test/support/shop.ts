/** A correct client: it keeps each event and sends it again until it is accepted or rejected. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Receipt } from './checker.ts';
import type { WireEvent } from './events.ts';

const RETRY_MS = 100;
const GIVE_UP_MS = 90_000;

export class Shop {
  readonly accepted: Receipt[] = [];
  readonly rejectedIds: string[] = [];
  /** Number of answers by status, and of broken connections. */
  readonly seen: Record<string, number> = {};
  readonly #url: string;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}/events`;
  }

  /** Sends the events in order, `width` at the same time. */
  async sendAll(events: readonly WireEvent[], width = 32): Promise<void> {
    const queue = [...events];
    const worker = async () => {
      for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
        await this.send(event);
      }
    };
    await Promise.all(Array.from({ length: width }, worker));
  }

  async send(event: WireEvent): Promise<void> {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    while (performance.now() < giveUpAt) {
      const answer = await this.#post(event);
      const kind = answer === null ? 'broken' : String(answer.status);
      this.seen[kind] = (this.seen[kind] ?? 0) + 1;
      if (answer?.status === 422) return void this.rejectedIds.push(event.event_id);
      if (answer?.status === 202) {
        const header = (name: string) => Number(answer.headers.get(name));
        const place = {
          partition: header('orderonce-partition'),
          offset: header('orderonce-offset'),
        };
        return void this.accepted.push({ event, ...place });
      }
      await sleep(RETRY_MS);
    }
    throw new Error(`${event.event_id} was not accepted within ${GIVE_UP_MS} ms`);
  }

  async #post(event: WireEvent): Promise<Response | null> {
    try {
      const answer = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(event),
      });
      await answer.text();
      return answer;
    } catch {
      return null;
    }
  }
}
