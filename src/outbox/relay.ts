/**
 * Publishes what lies in the outbox: at least once, and the messages of one key in order.
 *
 * Keys are shared out over shards, and a shard is one relay's while its lease lasts. A relay
 * publishes the unpublished messages of its shards oldest first, one append at a time, and marks
 * them when the log has acknowledged them; what it could not mark is published again, with the same
 * message id. A relay that was frozen may still have an append in the air when its lease has gone
 * to another: then messages come twice, but the first of each id is always in order, since every
 * relay publishes all that precedes a message of its key before the message itself.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { LogAppender } from '../log/event-log.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { within } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import {
  deletePublished,
  findUnpublished,
  markPublished,
  type PendingMessage,
} from '../store/outbox.ts';
import { leaseShards, releaseShards } from '../store/outbox-shards.ts';
import type { Pool } from '../store/pool.ts';

export type RelayOptions = {
  readonly pool: Pool;
  /** Opens the log of a topic, ready to append. @throws when it does not exist. */
  readonly openLog: (topic: string) => Promise<LogAppender>;
  /** Unique among all processes, past ones too. */
  readonly owner: string;
  readonly retentionHours: number;
  readonly logger: Logger;
  readonly leaseMs?: number;
};

const LEASE_MS = 15_000;
const IDLE_POLL_MS = 500;
const BATCH_MAX = 500;
const BACKOFF = { firstMs: 200, mostMs: 10_000 };
const CLEAN_MS = 60_000;
const CLEAN_ROWS = 5000;
const CLOSE_MS = 1000;

type Trouble = { readonly reason: string; readonly failures: number; readonly retryAt: number };

export class Relay implements Service {
  readonly #options: RelayOptions;
  readonly #leaseMs: number;
  readonly #stopping = new AbortController();
  readonly #logs = new Map<string, LogAppender>();
  /** Topics that could not be published to, and until when they are left alone. */
  readonly #blocked = new Map<string, Trouble>();
  #databaseTrouble: string | null = null;
  #leasedUntil = 0;
  #cleanedAt = 0;
  #wake = Promise.withResolvers<void>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** There may be something new: looks at once instead of at the next poll. */
  notify(): void {
    this.#wake.resolve();
  }

  /** What is not published, and why; in words. */
  get troubles(): string[] {
    const ofTopics = [...this.#blocked].map(
      ([topic, { reason }]) => `Outbox: nothing can be published to "${topic}": ${reason}`,
    );
    return this.#databaseTrouble === null ? ofTopics : [this.#databaseTrouble, ...ofTopics];
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const hasMore = await this.#turn();
        this.#databaseTrouble = null;
        failures = 0;
        if (!hasMore) await this.#idle();
      } catch (error) {
        this.#databaseTrouble = `Outbox: ${reasonOf(error)}`;
        await pause(backoffMs(++failures, BACKOFF), signal);
      }
    }
  }

  async #idle(): Promise<void> {
    await Promise.race([this.#wake.promise, pause(IDLE_POLL_MS, this.#stopping.signal)]);
    this.#wake = Promise.withResolvers<void>();
  }

  /** @returns whether there is more to do at once. */
  async #turn(): Promise<boolean> {
    await this.#renewLease();
    await this.#clean();
    const { pool, owner } = this.#options;
    const now = performance.now();
    const without = [...this.#blocked].filter(([, { retryAt }]) => retryAt > now);
    const topics = without.map(([topic]) => topic);
    const messages = await findUnpublished(pool, owner, topics, BATCH_MAX);
    for (const [topic, ofTopic] of Map.groupBy(messages, (message) => message.topic)) {
      await this.#publish(topic, ofTopic);
    }
    return messages.length > 0;
  }

  async #renewLease(): Promise<void> {
    const now = performance.now();
    if (this.#leasedUntil - now > this.#leaseMs / 2) return;
    await leaseShards(this.#options.pool, this.#options.owner, this.#leaseMs);
    // From before the question: the server began to count later than that.
    this.#leasedUntil = now + this.#leaseMs;
  }

  async #publish(topic: string, messages: readonly PendingMessage[]): Promise<void> {
    const { pool, openLog } = this.#options;
    // We were frozen since the messages were read: they may be another relay's by now.
    if (performance.now() > this.#leasedUntil) return;
    try {
      const log = this.#logs.get(topic) ?? (await openLog(topic));
      this.#logs.set(topic, log);
      const positions = await log.append(messages.map(({ record }) => record));
      await markPublished(pool, messages, positions);
      if (this.#blocked.delete(topic)) {
        this.#options.logger.info({ topic }, 'Outbox: publishing goes on');
      }
    } catch (error) {
      this.#block(topic, error);
    }
  }

  #block(topic: string, error: unknown): void {
    const failures = (this.#blocked.get(topic)?.failures ?? 0) + 1;
    const code = error instanceof OrderonceError ? `${error.code}: ` : '';
    const reason = `${code}${reasonOf(error)}`;
    const retryAt = performance.now() + backoffMs(failures, BACKOFF);
    this.#blocked.set(topic, { reason, failures, retryAt });
    if (failures === 1 || failures % 20 === 0) {
      this.#options.logger.warn({ topic, failures, reason }, 'Outbox: not published, trying again');
    }
  }

  async #clean(): Promise<void> {
    if (performance.now() - this.#cleanedAt < CLEAN_MS) return;
    const { pool, retentionHours } = this.#options;
    const deleted = await deletePublished(pool, retentionHours, CLEAN_ROWS);
    if (deleted < CLEAN_ROWS) this.#cleanedAt = performance.now();
  }

  /** Ends after the append under way, but within about 2 s: what is not marked comes again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.resolve();
    const late = () => new Error('late');
    await within(CLOSE_MS, this.#running, late).catch(() => {});
    const { pool, owner } = this.#options;
    await within(CLOSE_MS, releaseShards(pool, owner), late).catch(() => {});
    await Promise.all([...this.#logs.values()].map((log) => log.close(CLOSE_MS)));
  }
}
