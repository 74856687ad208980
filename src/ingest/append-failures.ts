/** Logs requests that were answered 500 because the log did not acknowledge them. */
import type { Logger } from '../runtime/logger.ts';

/** At most one line per cause in this time, so that an outage does not fill the disk. */
const QUIET_MS = 60_000;
/**
 * The most causes that are remembered. The oldest is then forgotten, and logged again when it
 * recurs.
 */
const CAUSES_MAX = 50;

/** How often a count that waits for its line is looked at. */
const LOOK_MS = 5000;

type Cause = { saidAt: number; count: number; first: FailedRequest };

/** Of the first failed request since the last line. */
export type FailedRequest = {
  /** As in its answer. */
  readonly requestId: string;
  readonly traceId?: string | undefined;
};

export class AppendFailures {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #causes = new Map<string, Cause>();
  readonly #timer: NodeJS.Timeout;

  /** @param now milliseconds, monotonic. */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /**
   * Logs the first failure of a cause immediately, and then at most one line per minute with the
   * number of events since the previous line.
   * @param events the number of events of the request that failed.
   */
  note(reason: string, request: FailedRequest, events = 1): void {
    const cause = this.#causeOf(reason, request);
    if (cause.count === 0) cause.first = request;
    cause.count += events;
    if (this.#now() - cause.saidAt >= QUIET_MS) this.#say(reason, cause);
  }

  /** Logs the counts whose minute is over. A timer calls it; public for tests. */
  look(): void {
    for (const [reason, cause] of this.#causes) {
      if (this.#now() - cause.saidAt >= QUIET_MS) this.#say(reason, cause);
    }
  }

  /** Logs what has been counted since the last lines. */
  stop(): void {
    clearInterval(this.#timer);
    for (const [reason, cause] of this.#causes) this.#say(reason, cause);
  }

  #say(reason: string, cause: Cause): void {
    const { count, first } = cause;
    if (count === 0) return;
    const trace = first.traceId === undefined ? {} : { trace_id: first.traceId };
    const fields = { request_id: first.requestId, ...trace, events: count, reason };
    this.#logger.error(fields, 'Answered 500: the log did not acknowledge');
    Object.assign(cause, { saidAt: this.#now(), count: 0 });
  }

  #causeOf(reason: string, first: FailedRequest): Cause {
    const known = this.#causes.get(reason);
    if (known !== undefined) return known;
    const [oldest] = this.#causes;
    if (this.#causes.size >= CAUSES_MAX && oldest !== undefined) {
      this.#say(...oldest);
      this.#causes.delete(oldest[0]);
    }
    const cause = { saidAt: Number.NEGATIVE_INFINITY, count: 0, first };
    this.#causes.set(reason, cause);
    return cause;
  }
}
