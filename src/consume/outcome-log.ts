import type { Settled } from '../inbox/settle-records.ts';
import type { LogRecord } from '../log/event-log.ts';
import { traceIdOf } from '../log/trace-context.ts';
import type { Logger } from '../runtime/logger.ts';

const LINES_PER_SECOND_MAX = 100;

function traceOf({ trace }: LogRecord): { trace_id?: string } {
  return trace === null ? {} : { trace_id: traceIdOf(trace) };
}

/**
 * Logs a line for each duplicate, conflict and dead letter, at most LINES_PER_SECOND_MAX in a
 * second. If there are more, one line states how many were left out. The tables have all of them.
 */
export class OutcomeLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  #second = 0;
  #lines = 0;
  #suppressed = 0;

  constructor(logger: Logger, now: () => number = Date.now) {
    this.#logger = logger;
    this.#now = now;
  }

  report(settled: Settled): void {
    for (const { event, claim, source, afterMs } of settled.duplicates) {
      const { partition, offset } = event.record;
      const first = { partition: claim.partition, offset: claim.offset };
      const ids = { event_id: event.event.eventId, order_id: event.event.orderId };
      const place = { partition, offset, ...traceOf(event.record) };
      const fields = { ...ids, ...place, first, source, after_ms: afterMs };
      this.#line('warn', fields, 'Duplicate skipped');
    }
    for (const { event, claim } of settled.conflicts) {
      const { partition, offset } = event.record;
      const first = { partition: claim.partition, offset: claim.offset };
      const ids = { event_id: event.event.eventId, order_id: event.event.orderId };
      this.#line(
        'error',
        { ...ids, partition, offset, first },
        'Conflict recorded: same event_id, other payload',
      );
    }
    for (const { record, event, eventIdHint, reason, state, sqlState } of settled.deadLetters) {
      const event_id = event?.event.eventId ?? eventIdHint;
      const { partition, offset } = record;
      const fields = { event_id, partition, offset, reason, sqlstate: sqlState };
      this.#line(
        'error',
        fields,
        state === 'waiting' ? 'Event waits behind a parked event' : 'Record parked',
      );
    }
  }

  /** Logs how many lines were left out, if any were. Call it regularly, also when nothing comes. */
  flush(): void {
    if (this.#suppressed === 0) return;
    this.#logger.warn(
      { count: this.#suppressed },
      'Lines about duplicates, conflicts and dead letters were left out',
    );
    this.#suppressed = 0;
  }

  #line(level: 'warn' | 'error', fields: Record<string, unknown>, message: string): void {
    const second = Math.trunc(this.#now() / 1000);
    if (second !== this.#second) {
      this.flush();
      this.#second = second;
      this.#lines = 0;
    }
    if (this.#lines < LINES_PER_SECOND_MAX) this.#logger[level](fields, message);
    else this.#suppressed++;
    this.#lines++;
  }
}
