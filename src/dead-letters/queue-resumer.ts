/**
 * Resumes redrives that were interrupted. A redrive stores a parked event and then those that wait
 * behind it, each in a transaction of its own; if the process ends in between, the rest still waits
 * although nothing before it is parked any more. Nobody would be told, and later events of the
 * order would wait too.
 */
import { reasonOf } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { OutageLog } from '../runtime/outage-log.ts';
import { findInterruptedQueues } from '../store/dead-letter-queue.ts';
import { followQueue } from './redrive.ts';
import type { RedriveContext } from './redrive-one.ts';

const CHECK_MS = 10_000;
const PAGE = 100;
/** At each check. If none of these can be resumed, those behind them have to wait. */
const ORDERS_MAX = 10_000;

export class QueueResumer {
  readonly #context: RedriveContext;
  readonly #logger: Logger;
  readonly #outage: OutageLog;
  #timer: NodeJS.Timeout | undefined;
  #isChecking = false;
  /**
   * Seen by the last check: a redrive that is still running must not be mistaken for one that
   * ended.
   */
  #seen: ReadonlySet<string> = new Set();

  constructor(context: Omit<RedriveContext, 'actor'>, logger: Logger) {
    this.#context = { ...context, actor: 'orderonce: resumed' };
    this.#logger = logger;
    this.#outage = new OutageLog(logger, {
      failed: 'Cannot look for redrives that were interrupted, will retry',
      over: 'Interrupted redrives are looked for again',
    });
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#checkOnce(), CHECK_MS).unref();
  }

  async #checkOnce(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      await this.check();
      this.#outage.over();
    } catch (error) {
      this.#outage.failed(reasonOf(error));
    } finally {
      this.#isChecking = false;
    }
  }

  /**
   * Resumes the queues that the check before this one saw too. Called by a timer; public for tests.
   * @throws if PostgreSQL does not answer. The next check tries again.
   */
  async check(): Promise<void> {
    const found = await this.#find();
    const still = found.filter((orderId) => this.#seen.has(orderId));
    this.#seen = new Set(found);
    for (const orderId of still) await this.#resume(orderId);
  }

  async #find(): Promise<string[]> {
    const found: string[] = [];
    for (let isMore = true; isMore && found.length < ORDERS_MAX; ) {
      const after = found.at(-1);
      const from = after === undefined ? {} : { after };
      const page = await findInterruptedQueues(this.#context.pool, { ...from, limit: PAGE });
      found.push(...page);
      isMore = page.length === PAGE;
    }
    return found;
  }

  async #resume(orderId: string): Promise<void> {
    const order = { order_id: orderId };
    try {
      const results = await followQueue(this.#context, orderId);
      if (results.length === 0) return;
      const outcomes = Object.groupBy(results, ({ outcome }) => outcome);
      const counts = Object.entries(outcomes).map(([outcome, all]) => [outcome, all.length]);
      const fields = { ...order, ...Object.fromEntries(counts) };
      this.#logger.info(fields, 'Resumed a redrive that was interrupted');
    } catch (error) {
      const fields = { ...order, reason: reasonOf(error) };
      this.#logger.warn(fields, 'A redrive that was interrupted cannot be resumed');
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
