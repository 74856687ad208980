/**
 * Requests that wait until an event is known (`?wait=`). However many wait, one statement at a
 * time asks for all of them: at once after a commit of this process, and every POLL_MS for what
 * other processes commit. NOTIFY inside the heart's transaction would serialise all commits
 * (PostgreSQL takes one lock for the whole instance at COMMIT of a transaction that notified).
 */

import { pause } from '../runtime/backoff.ts';
import { findKnownIds } from '../store/event-status.ts';
import type { Queryable } from '../store/pool.ts';

const POLL_MS = 250;
/** Between two questions, however fast commits come. */
const SPACING_MS = 20;
/** More than these are refused: each holds a connection and a place in the statement. */
const WAITERS_MAX = 1000;

type Waiter = { readonly eventId: string; readonly wake: () => void };

export class EventWaiters {
  readonly #db: Queryable;
  readonly #waiting = new Set<Waiter>();
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #isNewsMeanwhile = false;

  constructor(db: Queryable) {
    this.#db = db;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get isFull(): boolean {
    return this.size >= WAITERS_MAX;
  }

  /** Resolves once the event is known, after `ms`, or at stop(); whichever comes first. */
  async wait(eventId: string, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const waiter = { eventId, wake };
    const timer = setTimeout(wake, ms);
    signal.addEventListener('abort', wake, { once: true });
    this.#waiting.add(waiter);
    // One that was committed just before must not wait for the next commit.
    this.notify();
    await promise;
    this.#waiting.delete(waiter);
    clearTimeout(timer);
    signal.removeEventListener('abort', wake);
  }

  /** Something was committed: asks at once, or again right after the question under way. */
  notify(): void {
    if (this.#waiting.size === 0) return;
    if (this.#isAsking) this.#isNewsMeanwhile = true;
    else void this.#ask();
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isAsking = true;
    for (let isFirst = true; isFirst || this.#isNewsMeanwhile; isFirst = false) {
      if (!isFirst) await pause(SPACING_MS);
      this.#isNewsMeanwhile = false;
      const wanted = [...this.#waiting];
      const ids = [...new Set(wanted.map(({ eventId }) => eventId))];
      // While the database is away nobody is known; each waits on, up to its own limit.
      const known = await findKnownIds(this.#db, ids).catch(() => new Set<string>());
      for (const { eventId, wake } of wanted) if (known.has(eventId)) wake();
    }
    this.#isAsking = false;
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.notify(), POLL_MS).unref();
  }

  /** Nobody waits any longer. */
  stop(): void {
    clearTimeout(this.#timer);
    for (const { wake } of this.#waiting) wake();
  }
}
