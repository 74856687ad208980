/** Logs requests that were answered 500 because the log did not acknowledge them. */
import type { Logger } from '../runtime/logger.ts';

/** At most one line per cause in this time, so that an outage does not fill the disk. */
const QUIET_MS = 60_000;
/**
 * The most causes that are remembered. The oldest is then forgotten, and logged again when it
 * recurs.
 */
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
   * Logs the first failure of a cause immediately, and then at most one line per minute with the
   * number of events since the previous line.
   * @param requestId the id of the failed request, as in its answer.
   * @param events the number of events of the request that failed.
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
