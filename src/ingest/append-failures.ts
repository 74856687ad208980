/** Log lines for requests that were answered 500 since the log did not acknowledge. */
import type { Logger } from '../runtime/logger.ts';

/** One line per cause and this long: an outage must not fill the disk. */
const QUIET_MS = 60_000;
/** Causes remembered; more at once are one cause. */
const CAUSES_MAX = 50;

type Cause = { saidAt: number; count: number };

export class AppendFailures {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #causes = new Map<string, Cause>();

  /** @param now milliseconds, monotonic. */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /**
   * The first of a cause is logged at once; then one line a minute, with how many requests there
   * were since the line before.
   * @param requestId of the failed request, as its answer names it. @param events how many in it.
   */
  note(reason: string, requestId: string, events = 1): void {
    const now = this.#now();
    const cause = this.#causeOf(reason);
    cause.count += events;
    if (now - cause.saidAt < QUIET_MS) return;
    const fields = { request_id: requestId, events: cause.count, reason };
    this.#logger.error(fields, 'Answered 500: the log did not acknowledge');
    Object.assign(cause, { saidAt: now, count: 0 });
  }

  #causeOf(reason: string): Cause {
    const known = this.#causes.get(reason);
    if (known !== undefined) return known;
    const [oldest] = this.#causes.keys();
    if (this.#causes.size >= CAUSES_MAX && oldest !== undefined) this.#causes.delete(oldest);
    const cause = { saidAt: Number.NEGATIVE_INFINITY, count: 0 };
    this.#causes.set(reason, cause);
    return cause;
  }
}
