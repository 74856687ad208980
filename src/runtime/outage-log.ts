import type { Logger } from './logger.ts';

/** How often a lasting outage is logged again. */
const REMINDER_MS = 60_000;

/** What is logged of an outage. */
export type OutageWords = {
  readonly failed: string;
  readonly over: string;
  /** For both lines, such as the topic. */
  readonly fields?: Readonly<Record<string, unknown>>;
};

/**
 * Logs an outage that is retried: a line when it begins, one with the latest reason each minute
 * while it lasts, and one when it is over. However often attempts fail, there are no more lines.
 */
export class OutageLog {
  readonly #logger: Logger;
  readonly #words: OutageWords;
  readonly #now: () => number;
  #attempts = 0;
  #since = 0;
  #saidAt = 0;

  /** @param now milliseconds, monotonic. */
  constructor(logger: Logger, words: OutageWords, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#words = words;
    this.#now = now;
  }

  failed(reason: string): void {
    const now = this.#now();
    if (this.#attempts++ === 0) this.#since = now;
    else if (now - this.#saidAt < REMINDER_MS) return;
    this.#saidAt = now;
    const { failed, fields } = this.#words;
    this.#logger.warn({ ...fields, ...this.#extent, reason }, failed);
  }

  /** To be called after each success; without an outage it does nothing. */
  over(): void {
    if (this.#attempts === 0) return;
    const { over, fields } = this.#words;
    this.#logger.info({ ...fields, ...this.#extent }, over);
    this.#attempts = 0;
  }

  get #extent() {
    return { attempts: this.#attempts, seconds: Math.round((this.#now() - this.#since) / 1000) };
  }
}
