import type { Settled } from '../inbox/batch.ts';
import type { LogRecord } from '../log/event-log.ts';
import { traceIdOf } from '../log/trace-context.ts';
import type { Logger } from '../runtime/logger.ts';

/** The most lines about one outcome in a window. */
const LINES_MAX = 100;
const WINDOW_MS = 60_000;

/** What is logged of an outcome. Stored events are the usual case and have no line. */
const OUTCOMES = {
  duplicate: { level: 'warn', message: 'Duplicate skipped' },
  conflict: { level: 'error', message: 'Conflict recorded: same event_id, other payload' },
  parked: { level: 'error', message: 'Record parked' },
  waiting: { level: 'error', message: 'Event waits behind a parked event' },
} as const;
type Outcome = keyof typeof OUTCOMES;

/**
 * Logs a line for each duplicate, conflict and dead letter, at most LINES_MAX for each of these
 * outcomes in a minute, so that many of one kind hide none of another. At the end of the minute one
 * line states by outcome how many were left out. The tables have all of them.
 */
export class OutcomeLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  #windowSince: number;
  /** By outcome, how many there were in this window. */
  readonly #counts = new Map<Outcome, number>();

  /** @param now milliseconds, monotonic. */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
    this.#windowSince = now();
  }

  report(settled: Settled): void {
    this.flush();
    for (const { event, claim, source, afterMs } of settled.duplicates) {
      const { eventId, orderId } = event.event;
      this.#line('duplicate', () => ({
        event_id: eventId,
        order_id: orderId,
        ...placeOf(event.record),
        first: { partition: claim.partition, offset: claim.offset },
        source,
        after_ms: afterMs,
      }));
    }
    for (const { event, claim } of settled.conflicts) {
      const { eventId, orderId } = event.event;
      this.#line('conflict', () => ({
        event_id: eventId,
        order_id: orderId,
        ...placeOf(event.record),
        first: { partition: claim.partition, offset: claim.offset },
      }));
    }
    for (const { record, event, eventIdHint, reason, state, sqlState } of settled.deadLetters) {
      this.#line(state, () => ({
        event_id: event?.event.eventId ?? eventIdHint,
        ...placeOf(record),
        reason,
        sqlstate: sqlState,
      }));
    }
  }

  /** Ends the window if its time is over. Call it regularly, also when nothing comes. */
  flush(): void {
    if (this.#now() - this.#windowSince >= WINDOW_MS) this.end();
  }

  /** Ends the window, and logs how many lines were left out of it, if any were. */
  end(): void {
    const leftOut = [...this.#counts].filter(([, count]) => count > LINES_MAX);
    if (leftOut.length > 0) {
      const seconds = Math.round((this.#now() - this.#windowSince) / 1000);
      const counts = leftOut.map(([outcome, count]) => [outcome, count - LINES_MAX]);
      const fields = { left_out: Object.fromEntries(counts), seconds };
      const isError = leftOut.some(([outcome]) => OUTCOMES[outcome].level === 'error');
      this.#logger[isError ? 'error' : 'warn'](fields, 'Lines about further records were left out');
    }
    this.#counts.clear();
    this.#windowSince = this.#now();
  }

  #line(outcome: Outcome, fieldsOf: () => Record<string, unknown>): void {
    const count = (this.#counts.get(outcome) ?? 0) + 1;
    this.#counts.set(outcome, count);
    const { level, message } = OUTCOMES[outcome];
    if (count <= LINES_MAX) this.#logger[level](fieldsOf(), message);
  }
}

function placeOf({ partition, offset, trace }: LogRecord) {
  return { partition, offset, ...(trace !== null && { trace_id: traceIdOf(trace) }) };
}
