import { reasonOf } from '../errors.ts';
import type { EventRules } from '../event/event-rules.ts';
import type { Logger } from '../runtime/logger.ts';
import { createEventDataDays } from '../store/event-data-days.ts';
import type { Queryable } from '../store/queryable.ts';

const CHECK_MS = 3_600_000;

/** Keeps the daily partitions of event_data ahead of time, in a deployment that declares types. */
export class EventDataDays {
  readonly #db: Queryable;
  readonly #rules: EventRules;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;

  constructor(db: Queryable, rules: EventRules, logger: Logger) {
    this.#db = db;
    this.#rules = rules;
    this.#logger = logger;
  }

  start(): void {
    if (this.#rules.declared === null) return;
    void this.#create();
    this.#timer ??= setInterval(() => void this.#create(), CHECK_MS).unref();
  }

  async #create(): Promise<void> {
    try {
      await createEventDataDays(this.#db);
    } catch (error) {
      const fields = { reason: reasonOf(error) };
      this.#logger.warn(fields, 'The partitions of event_data for the next days cannot be created');
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
