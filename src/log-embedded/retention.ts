/**
 * Trims the embedded log by age, as the retention of a Kafka topic does. Unlike Kafka, it keeps
 * records that the consumer has not processed. Topics of the outbox have no consumer here, so only
 * age counts.
 */
import { reasonOf } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import { listLogPartitions, trimLogPartition } from '../store/event-log-table.ts';
import type { Pool } from '../store/pool.ts';
import { inTransaction } from '../store/transaction.ts';

const CHECK_MS = 60_000;
const LIMITS = { lockMs: 1000, statementMs: 10_000, idleMs: 1000 };

/** Trims once a minute. A failure is logged at level debug, and the next minute retries. */
export class EmbeddedRetention implements Service {
  readonly #pool: Pool;
  readonly #hours: number;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #trimming: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** @param hours that processed records are kept. */
  constructor(pool: Pool, hours: number, logger: Logger) {
    this.#pool = pool;
    this.#hours = hours;
    this.#logger = logger;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#trimming = this.#trimming
        .then(() => this.trim())
        .then(
          () => {},
          (error: unknown) =>
            this.#logger.debug(
              { reason: reasonOf(error) },
              'The embedded log could not be trimmed',
            ),
        );
    }, CHECK_MS).unref();
  }

  /** Removes all expired records, in small transactions. @returns how many were removed. */
  async trim(): Promise<number> {
    let total = 0;
    for (const { logId, partition } of await listLogPartitions(this.#pool)) {
      for (let removed = 1; removed > 0 && !this.#isStopped; total += removed) {
        removed = await inTransaction(this.#pool, LIMITS, (tx) =>
          trimLogPartition(tx, logId, partition, this.#hours),
        );
      }
    }
    if (total > 0) this.#logger.info({ records: total }, 'Embedded log trimmed');
    return total;
  }

  /** Waits for the running transaction to end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#trimming;
  }
}
