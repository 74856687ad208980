/**
 * Requests that wait until an event is known (`?wait=`). However many requests wait, one statement
 * at a time asks for all their events: immediately after a commit of this process, and every
 * POLL_MS to find what other processes commit.
 *
 * LISTEN and NOTIFY are not used. A NOTIFY in the transaction of a batch would serialise all
 * commits, since PostgreSQL takes a lock on the whole instance while such a transaction commits.
 */

import { pause } from '../runtime/backoff.ts';
import { findKnownIds } from '../store/event-status.ts';
import type { Queryable } from '../store/queryable.ts';

const POLL_MS = 250;
/** Minimum time between two statements, however often commits occur. */
const SPACING_MS = 20;
/** Further requests are refused: each one holds a socket, and its id is sent in each statement. */
const WAITERS_MAX = 1000;

type Waiter = { readonly eventId: string; readonly wake: () => void };

/** All requests of this process that wait for an event. */
export class EventWaiters {
  readonly #db: Queryable;
  readonly #waiting = new Set<Waiter>();
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #isNewsMeanwhile = false;

  constructor(db: Queryable) {
    this.#db = db;
  }

  /** How many requests wait now. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Whether no further request may wait. The caller must check it before wait(). */
  get isFull(): boolean {
    return this.size >= WAITERS_MAX;
  }

  /**
   * Resolves when the event is known, after `ms`, when the signal aborts, or at stop(), whichever
   * comes first. It never rejects, also while the database does not answer.
   */
  async wait(eventId: string, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const waiter = { eventId, wake };
    const timer = setTimeout(wake, ms);
    signal.addEventListener('abort', wake, { once: true });
    this.#waiting.add(waiter);
    // The event may have been committed just before; then no further commit may follow.
    this.notify();
    await promise;
    this.#waiting.delete(waiter);
    clearTimeout(timer);
    signal.removeEventListener('abort', wake);
  }

  /** Call it after a commit. Asks immediately, or again after the statement that is running. */
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
      // While the database does not answer, no event counts as known. Each request keeps waiting
      // up to its own limit.
      const known = await findKnownIds(this.#db, ids).catch(() => new Set<string>());
      for (const { eventId, wake } of wanted) if (known.has(eventId)) wake();
    }
    this.#isAsking = false;
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.notify(), POLL_MS).unref();
  }

  /** Ends all waits; the requests are then answered with what is known. */
  stop(): void {
    clearTimeout(this.#timer);
    for (const { wake } of this.#waiting) wake();
  }
}
