/**
 * Publishes what lies in the outbox: at least once, and the messages of one key in order.
 *
 * Keys are shared out over shards, and a shard is one relay's while its lease lasts. A relay
 * publishes the unpublished messages of its shards oldest first, one append at a time to each
 * topic, and marks them when the log has acknowledged them; what it could not mark is published
 * again, with the same message id. Topics do not wait for one another: one that does not answer
 * holds up its own messages only.
 *
 * A relay that was frozen may still have an append in the air when its lease has gone to another:
 * then messages come twice, but the first of each id is always in order, since every relay
 * publishes all that precedes a message of its key before the message itself.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import { type AppendOutcome, isRefusal, type LogAppender } from '../log/event-log.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { within } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import {
  deletePublished,
  findPendingTopics,
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
/** Of a topic that cannot be published to, and of the database. */
const BACKOFF = { firstMs: 200, mostMs: 10_000 };
const DATABASE_BACKOFF = { firstMs: 200, mostMs: 1000 };
const CLEAN_MS = 60_000;
const CLEAN_ROWS = 5000;
const CLOSE_MS = 1000;
/** An append that takes longer counts as trouble; it goes on, since the client tries for ever. */
const ACKNOWLEDGED_MS = 5000;

type Trouble = { readonly reason: string; readonly failures: number; readonly retryAt: number };

export class Relay implements Service {
  readonly #options: RelayOptions;
  readonly #leaseMs: number;
  readonly #stopping = new AbortController();
  readonly #logs = new Map<string, LogAppender>();
  /** Appends that are not acknowledged yet, one to a topic at most; since when. */
  readonly #underWay = new Map<string, number>();
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
    const now = performance.now();
    const slow = [...this.#underWay].filter(([, since]) => now - since > ACKNOWLEDGED_MS);
    const ofSlow = slow.map(([topic]) => `Outbox: "${topic}" does not acknowledge`);
    const ofDatabase = this.#databaseTrouble === null ? [] : [this.#databaseTrouble];
    return [...ofDatabase, ...ofTopics, ...ofSlow];
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#turn();
        this.#databaseTrouble = null;
        failures = 0;
        await this.#idle();
      } catch (error) {
        this.#databaseTrouble = `Outbox: ${reasonOf(error)}`;
        await pause(backoffMs(++failures, DATABASE_BACKOFF), signal);
      }
    }
  }

  /** Until something was published, something may be new, or it is time to look. */
  async #idle(): Promise<void> {
    const timer = setTimeout(this.#wake.resolve, IDLE_POLL_MS);
    await this.#wake.promise;
    clearTimeout(timer);
    this.#wake = Promise.withResolvers<void>();
  }

  async #turn(): Promise<void> {
    await this.#renewLease();
    await this.#clean();
    const { pool, owner } = this.#options;
    for (const topic of await findPendingTopics(pool)) {
      if (!this.#isFree(topic)) continue;
      const messages = await findUnpublished(pool, owner, topic, BATCH_MAX);
      if (messages.length > 0) void this.#publish(topic, messages);
    }
  }

  #isFree(topic: string): boolean {
    const blockedUntil = this.#blocked.get(topic)?.retryAt ?? 0;
    return !this.#underWay.has(topic) && blockedUntil <= performance.now();
  }

  async #renewLease(): Promise<void> {
    const now = performance.now();
    if (this.#leasedUntil - now > this.#leaseMs / 2) return;
    const isStuck = [...this.#underWay.values()].some((since) => now - since > this.#leaseMs);
    await leaseShards(this.#options.pool, this.#options.owner, this.#leaseMs, isStuck);
    // From before the question: the server began to count later than that.
    this.#leasedUntil = now + this.#leaseMs;
  }

  /** Never throws. */
  async #publish(topic: string, messages: readonly PendingMessage[]): Promise<void> {
    // We were frozen since the messages were read: they may be another relay's by now.
    if (performance.now() > this.#leasedUntil || this.#stopping.signal.aborted) return;
    this.#underWay.set(topic, performance.now());
    try {
      const log = await this.#logOf(topic);
      await this.#append(log, messages);
      if (this.#blocked.delete(topic)) {
        this.#options.logger.info({ topic }, 'Outbox: publishing goes on');
      }
    } catch (error) {
      this.#block(topic, error);
    } finally {
      this.#underWay.delete(topic);
      this.notify();
    }
  }

  /**
   * Up to the first message that the log refuses: those behind it may be of its key, and wait.
   * @throws why it is refused, once what was published is marked.
   */
  async #append(log: LogAppender, messages: readonly PendingMessage[]): Promise<void> {
    const refusals = messages.map(({ record }) => log.refusalOf(record));
    const at = refusals.findIndex((refusal) => refusal !== null);
    const sent = at === -1 ? messages : messages.slice(0, at);
    const outcomes = await log.append(sent.map(({ record }) => record));
    const published = sent.flatMap((message, i) => {
      const position = outcomes[i] as AppendOutcome;
      return isRefusal(position) ? [] : [{ message, position }];
    });
    await markPublished(
      this.#options.pool,
      published.map(({ message }) => message),
      published.map(({ position }) => position),
    );
    const refusal = refusals[at] ?? outcomes.find(isRefusal);
    if (refusal !== undefined && refusal !== null) throw refusal;
  }

  async #logOf(topic: string): Promise<LogAppender> {
    const log = this.#logs.get(topic) ?? (await this.#options.openLog(topic));
    this.#logs.set(topic, log);
    // Opened while we stopped: stop() has not seen it, and nobody else would close it.
    if (this.#stopping.signal.aborted) await log.close(CLOSE_MS);
    return log;
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

  /** Ends after the appends under way, but within about 2 s: what is not marked comes again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.resolve();
    const late = () => new Error('late');
    await within(CLOSE_MS, this.#ended(), late).catch(() => {});
    const { pool, owner } = this.#options;
    await within(CLOSE_MS, releaseShards(pool, owner), late).catch(() => {});
    await Promise.all([...this.#logs.values()].map((log) => log.close(CLOSE_MS)));
  }

  async #ended(): Promise<void> {
    await this.#running;
    while (this.#underWay.size > 0) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }
}
