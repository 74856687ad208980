import type { HealthReport } from './health.ts';
import type { Logger } from './logger.ts';

const LOOK_MS = 1000;
/** Only trouble seen in this many looks is logged, because every start has some for a moment. */
const LOOKS = 3;
/**
 * The text of a reason may change all the time, so a changed reason is logged at most this often.
 */
const QUIET_MS = 60_000;

/**
 * Logs the state of /health whenever it changes, so that somebody who reads only the log learns
 * that the service does not work, and why.
 */
export class HealthLog {
  readonly #logger: Logger;
  readonly #report: () => HealthReport;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #looksInTrouble = 0;
  #said: string | null = null;
  #saidAt = 0;

  /** @param now milliseconds, monotonic. */
  constructor(
    logger: Logger,
    report: () => HealthReport,
    now: () => number = () => performance.now(),
  ) {
    this.#logger = logger;
    this.#report = report;
    this.#now = now;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Examines the report once. Public for tests. */
  look(): void {
    const { troubles, partial = [] } = this.#report();
    const reasons = [...troubles, ...partial];
    if (reasons.length === 0) {
      this.#looksInTrouble = 0;
      if (this.#said !== null) this.#logger.info('Healthy again');
      this.#said = null;
      return;
    }
    if (++this.#looksInTrouble < LOOKS) return;
    const reason = reasons.join('; ');
    const isDue = this.#said === null || this.#now() - this.#saidAt >= QUIET_MS;
    if (reason === this.#said || !isDue) return;
    this.#said = reason;
    this.#saidAt = this.#now();
    const text = troubles.length > 0 ? 'Unhealthy' : 'A part does not work';
    this.#logger.warn({ reason }, text);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
