/**
 * Trims the embedded log by age, as the retention of a Kafka topic does. Unlike Kafka, it keeps
 * records that the consumer has not processed. Topics of the outbox have no consumer here, so only
 * age counts.
 */
import { reasonOf } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { OutageLog } from '../runtime/outage-log.ts';
import type { Service } from '../runtime/service.ts';
import { listLogPartitions, trimLogPartition } from '../store/event-log-table.ts';
import type { Pool } from '../store/pool.ts';
import { inTransaction } from '../store/transaction.ts';

const CHECK_MS = 60_000;
const LIMITS = { lockMs: 1000, statementMs: 10_000, idleMs: 1000 };

/** Trims once a minute. The next minute retries what failed; an outage is logged, because disks fill. */
export class EmbeddedRetention implements Service {
  readonly #pool: Pool;
  readonly #hours: number;
  readonly #logger: Logger;
  readonly #outage: OutageLog;
  #timer: NodeJS.Timeout | undefined;
  #trimming: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** @param hours that processed records are kept. */
  constructor(pool: Pool, hours: number, logger: Logger) {
    this.#pool = pool;
    this.#hours = hours;
    this.#logger = logger;
    this.#outage = new OutageLog(logger, {
      failed: 'The embedded log cannot be trimmed, will retry',
      over: 'The embedded log is trimmed again',
    });
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#trimming = this.#trimming
        .then(() => this.trim())
        .then(
          () => this.#outage.over(),
          (error: unknown) => this.#outage.failed(reasonOf(error)),
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
